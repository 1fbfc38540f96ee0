"""An edited question, before or after its reply, has one reply to its current text."""

import signal

from testing.memorizing_model import ANSWERS, ENDLESS, FOLLOW_UP, FOLLOW_UPS, GREET, MUTEX, REVERSE
from testing.product import Product, find_answers
from testing.worker_harness import reply_metadata, reply_text
from testing.workspace import ADA, GENERAL, Json, Messages


def find_offers(messages: Messages) -> Messages:
    """Return the messages with the button *Answer again*."""
    return [message for message in messages if "answer_again" in str(message.get("blocks"))]


def test_edit_during_generation_restarts_reply(product: Product) -> None:
    """The growing message becomes the reply to the new text; there is no second message."""
    ts = product.workspace.post_message(ADA, GENERAL, f"@StarChat {ENDLESS}")
    growing = product.workspace.wait_for_messages(
        lambda messages: any(reply_metadata(m).get("state") == "growing" for m in messages),
        GENERAL,
        ts,
    )
    [before] = find_answers(growing, ts)
    # Paused, so that on a busy machine the reply does not end before the bot has read the edit.
    product.workers[0].send_signal(signal.SIGSTOP)
    product.workspace.edit_message(ADA, GENERAL, ts, f"@StarChat {MUTEX}")
    product.bot.wait_for_event("job updated")
    product.workers[0].send_signal(signal.SIGCONT)
    [reply] = product.wait_for_answer(GENERAL, ts, ts)

    assert reply["ts"] == before["ts"]
    assert reply_text([reply]).strip() == ANSWERS[MUTEX]
    _, later = product.ask_question(FOLLOW_UP, GENERAL, ts)
    assert reply_text(later).strip() in FOLLOW_UPS[MUTEX]


def test_reanswer_button_replaces_reply(product: Product) -> None:
    """Pressing *Answer again* replaces the reply in place, and follow-ups use the new one."""
    ts, [first] = product.ask_question(f"@StarChat {GREET}", GENERAL)
    product.workspace.edit_message(ADA, GENERAL, ts, f"@StarChat {REVERSE}")
    [offer] = find_offers(product.workspace.wait_for_messages(find_offers, GENERAL, ts))
    click = {"user": ADA, "channel": GENERAL, "ts": offer["ts"], "action_id": "answer_again"}
    product.workspace.post_json("_page/click", click)

    def is_replaced(messages: Messages) -> bool:
        found = find_answers(messages, ts)
        return "items[::-1]" in reply_text(found) and reply_metadata(found[0])["state"] == "final"

    [reply] = find_answers(product.workspace.wait_for_messages(is_replaced, GENERAL, ts), ts)
    assert reply["ts"] == first["ts"]
    product.workspace.wait_for_messages(lambda messages: not find_offers(messages), GENERAL, ts)
    _, later = product.ask_question(FOLLOW_UP, GENERAL, ts)
    assert reply_text(later).strip() in FOLLOW_UPS[REVERSE]


def test_question_deleted_in_queue_is_not_answered(product: Product) -> None:
    """Of three questions in a thread the second is deleted: two replies, in order."""
    first = product.workspace.post_message(ADA, GENERAL, f"@StarChat {MUTEX}")
    second = product.workspace.post_message(ADA, GENERAL, f"@StarChat {GREET}", first)
    third = product.workspace.post_message(ADA, GENERAL, f"@StarChat {FOLLOW_UP}", first)
    product.workspace.delete_message(ADA, GENERAL, second)
    replies: list[Json] = [
        *product.wait_for_answer(GENERAL, first, first),
        *product.wait_for_answer(GENERAL, first, third),
    ]

    assert [reply_metadata(m)["question"] for m in replies] == [first, third]
    assert not find_answers(product.workspace.read_messages(GENERAL, first), second)
