"""Whatever keeps the bot from answering, the person reads a kind sentence in the thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.checkpoints import taught_checkpoint
from testing.memorizing_model import ANSWERS, ENDLESS, GREET, MUTEX
from testing.product import Product
from testing.worker_harness import notices, payload, words
from testing.workspace import ADA, GENERAL, LIN, PYTHON, SAM, STARCHAT


@pytest.fixture(scope="module")
def alone() -> Iterator[Product]:
    """Run the product without a worker, with room for two questions."""
    model = str(taught_checkpoint())
    with Product(model, worker=False, STARCHAT_MAX_PENDING="2") as product:
        yield product


def test_an_empty_mention_gets_a_hint(product: Product) -> None:
    """A mention without a question is answered by what one can do."""
    ts = product.workspace.post(ADA, GENERAL, "@StarChat")

    said = product.said(lambda m: "What would you like to know?" in m["text"], GENERAL, ts)
    assert len(said) == 1


def test_a_message_longer_than_the_window_is_refused_kindly(product: Product) -> None:
    """A question that the model cannot hold is never cut: the thread says what to do."""
    _, replies = product.reply("@StarChat " + "why? " * 2000, GENERAL)

    assert payload(replies[0])["state"] == "error"
    assert "longer than I can read" in notices(replies)


def test_older_turns_are_dropped_visibly(product: Product) -> None:
    """A thread longer than the window is read from its younger end, and the reply says so."""
    ts = product.workspace.post(ADA, PYTHON, "The log says: " + "a long line. " * 60)
    for _ in range(6):
        product.workspace.post(ADA, PYTHON, "And on: " + "another line. " * 60, ts)
    _, replies = product.reply(f"@StarChat {GREET}", PYTHON, ts)

    assert payload(replies[0])["state"] == "final"
    assert "no longer fitted" in notices(replies)


def test_without_a_worker_the_question_waits_and_the_thread_says_so(alone: Product) -> None:
    """The sign comes from the bot; later the worker turns the same message into the reply."""
    ts = alone.workspace.post(ADA, GENERAL, f"@StarChat {MUTEX}")
    [sign] = alone.said(lambda m: "No worker is running" in m["text"], GENERAL, ts)
    other = alone.workspace.post(LIN, GENERAL, f"@StarChat {GREET}")
    alone.said(lambda m: "No worker is running" in m["text"], GENERAL, other)
    third = alone.workspace.post(ADA, PYTHON, f"@StarChat {GREET}")
    [full] = alone.said(lambda m: "cannot take another" in m["text"], PYTHON, third)
    alone.start_worker()
    replies = alone.ended(GENERAL, ts, ts)

    assert [reply["ts"] for reply in replies] == [sign["ts"]]
    assert words(replies).strip() == ANSWERS[MUTEX]
    assert words(alone.ended(GENERAL, other, other)).strip() == ANSWERS[GREET]
    assert payload(full).get("job") is None


def test_a_model_that_cannot_be_loaded_is_one_line_for_the_operator(
    product: Product, tmp_path: Path
) -> None:
    """The worker says what is wrong with the model, and ends."""
    worker = product.start_worker(STARCHAT_MODEL=str(tmp_path / "nothing"))

    assert worker.wait() != 0
    assert "STARCHAT_MODEL cannot be loaded: there is no directory" in worker.log


def test_a_deleted_question_takes_its_reply_with_it(product: Product) -> None:
    """The person deletes the question while the reply grows: nothing of it stays."""
    ts = product.workspace.post(ADA, GENERAL, f"@StarChat {ENDLESS}")
    product.workspace.wait_for(
        lambda messages: any(payload(m).get("state") == "growing" for m in messages), GENERAL, ts
    )
    product.workspace.delete(ADA, GENERAL, ts)

    product.workspace.wait_for(
        lambda messages: not any(payload(m).get("question") == ts for m in messages), GENERAL
    )
    _, replies = product.reply(f"@StarChat {MUTEX}", GENERAL)
    assert words(replies).strip() == ANSWERS[MUTEX]


def test_a_channel_without_permission_costs_nobody_else_anything(product: Product) -> None:
    """Archived while the question waits: a quiet end, and the next question is answered."""
    attic = product.workspace.direct(ADA, LIN, SAM, STARCHAT)
    product.workspace.post(ADA, attic, f"@StarChat {ENDLESS}")
    product.workspace.control("archive", channel=attic)
    _, replies = product.reply(f"@StarChat {MUTEX}", GENERAL)

    assert words(replies).strip() == ANSWERS[MUTEX]
