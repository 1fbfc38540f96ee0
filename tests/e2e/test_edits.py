"""Who edits a question, before or after the reply, ends up with one reply to what it says now."""

from testing.memorizing_model import ANSWERS, ENDLESS, FOLLOW_UP, FOLLOW_UPS, GREET, MUTEX, REVERSE
from testing.product import Product, answers
from testing.worker_harness import payload, words
from testing.workspace import ADA, GENERAL, Json, Messages


def find_offers(messages: Messages) -> Messages:
    """Return the messages with a button."""
    return [m for m in messages if any(b["type"] == "actions" for b in m.get("blocks", []))]


def test_edit_during_generation_restarts_reply(product: Product) -> None:
    """The message that grew becomes the reply to the new text; there is no second one."""
    ts = product.workspace.post(ADA, GENERAL, f"@StarChat {ENDLESS}")
    grown = product.workspace.wait_for(
        lambda messages: any(payload(m).get("state") == "growing" for m in messages), GENERAL, ts
    )
    [before] = answers(grown, ts)
    product.workspace.edit(ADA, GENERAL, ts, f"@StarChat {MUTEX}")
    [reply] = product.ended(GENERAL, ts, ts)

    assert reply["ts"] == before["ts"]
    assert words([reply]).strip() == ANSWERS[MUTEX]
    _, later = product.reply(FOLLOW_UP, GENERAL, ts)
    assert words(later).strip() in FOLLOW_UPS[MUTEX]


def test_reanswer_button_replaces_reply(product: Product) -> None:
    """One press, and the reply says something else in its old place, also to what comes next."""
    ts, [first] = product.reply(f"@StarChat {GREET}", GENERAL)
    product.workspace.edit(ADA, GENERAL, ts, f"@StarChat {REVERSE}")
    [offer] = find_offers(product.workspace.wait_for(find_offers, GENERAL, ts))
    click = {"user": ADA, "channel": GENERAL, "ts": offer["ts"], "action_id": "answer_again"}
    product.workspace.ask("_page/click", click)

    def is_replaced(messages: Messages) -> bool:
        found = answers(messages, ts)
        return "items[::-1]" in words(found) and payload(found[0])["state"] == "final"

    [reply] = answers(product.workspace.wait_for(is_replaced, GENERAL, ts), ts)
    assert reply["ts"] == first["ts"]
    product.workspace.wait_for(lambda messages: not find_offers(messages), GENERAL, ts)
    _, later = product.reply(FOLLOW_UP, GENERAL, ts)
    assert words(later).strip() in FOLLOW_UPS[REVERSE]


def test_question_deleted_in_queue_is_not_answered(product: Product) -> None:
    """Of three questions in a thread the second is taken back: two replies, in order."""
    first = product.workspace.post(ADA, GENERAL, f"@StarChat {MUTEX}")
    second = product.workspace.post(ADA, GENERAL, f"@StarChat {GREET}", first)
    third = product.workspace.post(ADA, GENERAL, f"@StarChat {FOLLOW_UP}", first)
    product.workspace.delete(ADA, GENERAL, second)
    replies: list[Json] = [
        *product.ended(GENERAL, first, first),
        *product.ended(GENERAL, first, third),
    ]

    assert [payload(m)["question"] for m in replies] == [first, third]
    assert not answers(product.workspace.messages(GENERAL, first), second)
