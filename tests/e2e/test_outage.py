"""The bot is away for longer than Slack repeats itself, and nobody has to ask again."""

import pytest

from testing.memorizing_model import ANSWERS, FOLLOW_UP, FOLLOW_UPS, GREET, MUTEX, REVERSE
from testing.polling import until
from testing.product import Product, answers
from testing.worker_harness import payload, words
from testing.workspace import ADA, GENERAL, PYTHON, STARCHAT

pytestmark = pytest.mark.timeout(180)


def exhaust_deliveries(product: Product, *stamps: str) -> None:
    """Let the clock run until Slack has given up on these messages."""
    product.workspace.clock(speed=2000)

    def are_exhausted() -> bool:
        envelopes = [e for ts in stamps for e in product.workspace.envelopes(ts)]
        last = [e for e in envelopes if e["attempt"] == 3]
        return {e["ts"] for e in last} == set(stamps) and all(e["failure"] for e in last)

    until(are_exhausted, what="the last deliveries")
    product.workspace.clock(speed=1)


def test_questions_during_bot_outage_are_answered_once(product: Product) -> None:
    """Killed, and started after Slack has given up: a mention, a follow-up, a direct message."""
    answered, earlier_replies = product.reply(f"@StarChat {MUTEX}", GENERAL)
    thread, _ = product.reply(f"@StarChat {REVERSE}", PYTHON)
    product.bot.kill()
    direct = product.workspace.direct(ADA, STARCHAT)
    mention = product.workspace.post(ADA, GENERAL, f"@StarChat {MUTEX}")
    follow_up = product.workspace.post(ADA, PYTHON, FOLLOW_UP, thread)
    message = product.workspace.post(ADA, direct, GREET)
    exhaust_deliveries(product, mention, follow_up, message)
    product.bot = product.start_bot()
    product.bot.wait_for("caught up")

    assert words(product.ended(GENERAL, mention, mention)).strip() == ANSWERS[MUTEX]
    assert words(product.ended(PYTHON, thread, follow_up)).strip() in FOLLOW_UPS[REVERSE]
    assert payload(product.ended(direct, message, message)[0])["state"] == "final"
    assert [m["ts"] for m in product.workspace.replies(GENERAL, answered)] == [
        m["ts"] for m in earlier_replies
    ]
    product.bot.stop()
    product.bot = product.start_bot()
    product.bot.wait_for("caught up")
    product.reply(f"@StarChat {GREET}", GENERAL)
    for channel, root, question in ((GENERAL, mention, mention), (PYTHON, thread, follow_up)):
        assert len(answers(product.workspace.messages(channel, root), question)) == 1
