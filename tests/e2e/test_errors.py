"""Every failure to answer shows a clear message in the thread."""

import signal
from collections.abc import Iterator

import pytest

from testing.checkpoints import memorizing_checkpoint
from testing.memorizing_model import ANSWERS, ENDLESS, GREET, MUTEX
from testing.polling import poll_until
from testing.product import Product, find_answers
from testing.worker_harness import context_text, reply_metadata, reply_text
from testing.workspace import ADA, GENERAL, LIN, PYTHON, SAM, STARCHAT
from worker.errors import QuestionTooLongError


@pytest.fixture(scope="module")
def product_without_worker() -> Iterator[Product]:
    """Run the product without a worker, with a queue of at most two questions."""
    model = str(memorizing_checkpoint())
    with Product(model, worker=False, forked=True, STARCHAT_MAX_PENDING="2") as product:
        yield product


def test_empty_mention_gets_a_hint(product: Product) -> None:
    """A mention without a question is answered with the usage."""
    ts = product.workspace.post_message(ADA, GENERAL, "@StarChat")

    hints = product.wait_for_bot_message(
        lambda m: "What would you like to know?" in m["text"], GENERAL, ts
    )
    assert len(hints) == 1


def test_message_beyond_context_window_is_refused(product: Product) -> None:
    """A question beyond the context window is refused, not truncated."""
    _, replies = product.ask_question("@StarChat " + "why? " * 2000, GENERAL)

    assert reply_metadata(replies[0])["state"] == "error"
    assert str(QuestionTooLongError().user_message) in context_text(replies)


def test_dropped_turns_are_reported(product: Product) -> None:
    """A thread beyond the window loses its oldest turns, and the reply says so."""
    ts = product.workspace.post_message(ADA, PYTHON, "The log says: " + "a long line. " * 60)
    for _ in range(6):
        product.workspace.post_message(ADA, PYTHON, "And on: " + "another line. " * 60, ts)
    _, replies = product.ask_question(f"@StarChat {GREET}", PYTHON, ts)

    assert reply_metadata(replies[0])["state"] == "final"
    assert "thread is too long" in context_text(replies)


def test_without_worker_placeholder_is_posted_and_later_answered(
    product_without_worker: Product,
) -> None:
    """The bot posts the placeholder; the worker later edits it into the reply."""
    ts = product_without_worker.workspace.post_message(ADA, GENERAL, f"@StarChat {MUTEX}")
    [placeholder] = product_without_worker.wait_for_bot_message(
        lambda m: "No worker is running" in m["text"], GENERAL, ts
    )
    other = product_without_worker.workspace.post_message(LIN, GENERAL, f"@StarChat {GREET}")
    product_without_worker.wait_for_bot_message(
        lambda m: "No worker is running" in m["text"], GENERAL, other
    )
    product_without_worker.workspace.post_message(ADA, PYTHON, f"@StarChat {GREET}")
    [full] = poll_until(
        lambda: product_without_worker.workspace.api_calls(method="chat.postEphemeral"),
        description="the refusal",
    )
    assert "The queue is full" in full["args"]["text"]
    assert full["args"]["user"] == ADA
    product_without_worker.start_worker()
    replies = product_without_worker.wait_for_answer(GENERAL, ts, ts)

    assert [reply["ts"] for reply in replies] == [placeholder["ts"]]
    assert reply_text(replies).strip() == ANSWERS[MUTEX]
    assert (
        reply_text(product_without_worker.wait_for_answer(GENERAL, other, other)).strip()
        == ANSWERS[GREET]
    )


def test_deleting_question_removes_growing_reply(product: Product) -> None:
    """Deleting a question during generation removes the reply."""
    ts = product.workspace.post_message(ADA, GENERAL, f"@StarChat {ENDLESS}")
    product.workspace.wait_for_messages(
        lambda messages: any(reply_metadata(m).get("state") == "growing" for m in messages),
        GENERAL,
        ts,
    )
    product.workspace.delete_message(ADA, GENERAL, ts)

    product.workspace.wait_for_messages(
        lambda messages: not any(reply_metadata(m).get("question") == ts for m in messages), GENERAL
    )
    _, replies = product.ask_question(f"@StarChat {MUTEX}", GENERAL)
    assert reply_text(replies).strip() == ANSWERS[MUTEX]


def test_late_deletion_event_removes_reply_posted_since(product: Product) -> None:
    """The bot learns of the deletion after the worker has posted: the reply goes all the same."""
    ts = product.workspace.post_message(ADA, GENERAL, f"@StarChat {ENDLESS}")
    product.workspace.wait_for_messages(
        lambda messages: any(reply_metadata(m).get("state") == "growing" for m in messages),
        GENERAL,
        ts,
    )
    product.bot.send_signal(signal.SIGSTOP)
    product.workspace.delete_message(ADA, GENERAL, ts)
    product.wait_for_answer(GENERAL, ts, ts)
    product.bot.send_signal(signal.SIGCONT)

    # After a long pause the bot takes its socket for lost. Slack then delivers the event again,
    # up to five minutes later.
    product.workspace.set_clock(speed=60)
    product.workspace.wait_for_messages(lambda messages: not find_answers(messages, ts), GENERAL)
    product.workspace.set_clock(speed=1)


def test_archived_channel_does_not_block_other_questions(product: Product) -> None:
    """A question in an archived channel ends without an error, and the next one is answered."""
    archived = product.workspace.open_dm(ADA, LIN, SAM, STARCHAT)
    product.workspace.post_message(ADA, archived, f"@StarChat {ENDLESS}")
    product.workspace.send_control("archive", channel=archived)
    _, replies = product.ask_question(f"@StarChat {MUTEX}", GENERAL)

    assert reply_text(replies).strip() == ANSWERS[MUTEX]
