"""Backfill: questions asked during an outage longer than Slack's retries are answered."""

from testing.memorizing_model import ANSWERS, FOLLOW_UP, FOLLOW_UPS, GREET, MUTEX, REVERSE
from testing.polling import poll_until
from testing.product import Product, find_answers
from testing.worker_harness import reply_metadata, reply_text
from testing.workspace import ADA, GENERAL, PYTHON, STARCHAT


def exhaust_deliveries(product: Product, *stamps: str) -> None:
    """Advance the clock until Slack has made its last delivery attempt of these messages."""
    product.workspace.set_clock(speed=2000)

    def are_exhausted() -> bool:
        attempts = [a for ts in stamps for a in product.workspace.delivery_attempts(ts)]
        last = [a for a in attempts if a["attempt"] == 3]
        return {a["ts"] for a in last} == set(stamps) and all(a["failure"] for a in last)

    poll_until(are_exhausted, description="the last deliveries")
    product.workspace.set_clock(speed=1)


def test_questions_during_bot_outage_are_answered_once(product: Product) -> None:
    """After a kill and a late restart: a mention, a follow-up and a direct message are answered."""
    answered, earlier_replies = product.ask_question(f"@StarChat {MUTEX}", GENERAL)
    thread, _ = product.ask_question(f"@StarChat {REVERSE}", PYTHON)
    product.bot.kill_group()
    direct = product.workspace.open_dm(ADA, STARCHAT)
    mention = product.workspace.post_message(ADA, GENERAL, f"@StarChat {MUTEX}")
    follow_up = product.workspace.post_message(ADA, PYTHON, FOLLOW_UP, thread)
    message = product.workspace.post_message(ADA, direct, GREET)
    exhaust_deliveries(product, mention, follow_up, message)
    product.bot = product.start_bot()
    product.bot.wait_for_event("backfill finished")

    assert reply_text(product.wait_for_answer(GENERAL, mention, mention)).strip() == ANSWERS[MUTEX]
    assert (
        reply_text(product.wait_for_answer(PYTHON, thread, follow_up)).strip()
        in FOLLOW_UPS[REVERSE]
    )
    assert reply_metadata(product.wait_for_answer(direct, message, message)[0])["state"] == "final"
    assert [m["ts"] for m in product.workspace.bot_replies(GENERAL, answered)] == [
        m["ts"] for m in earlier_replies
    ]
    product.bot.stop_process()
    product.bot = product.start_bot()
    product.bot.wait_for_event("backfill finished")
    product.ask_question(f"@StarChat {GREET}", GENERAL)
    for channel, root, question in ((GENERAL, mention, mention), (PYTHON, thread, follow_up)):
        assert len(find_answers(product.workspace.read_messages(channel, root), question)) == 1
