"""Model output pings no user and unfurls no link, and no text is logged."""

from testing.memorizing_model import ANSWERS, HELLO, MUTEX
from testing.product import Product
from testing.worker_harness import reply_text
from testing.workspace import ADA, APP_TOKEN, BOT_TOKEN, GENERAL


def test_reply_sends_no_ping_and_no_unfurl(product: Product) -> None:
    """A generated @channel, mention and link stay plain text in every edit."""
    ts, replies = product.ask_question(f"@StarChat {HELLO}", GENERAL)

    assert "<!channel>" in reply_text(replies)
    assert all(not m.get("pings") and not m.get("unfurls") for m in replies)
    sent = [call["args"] for call in product.workspace.api_calls() if ts in str(call["args"])]
    posted = [args for args in sent if "blocks" in args]
    assert posted
    assert all(args.get("unfurl_links") in {False, "false", None} for args in posted)
    assert not any("<!channel>" in str(args.get("text", "")) for args in posted)


def test_redelivered_mention_is_answered_once(product: Product) -> None:
    """A redelivered event adds no second reply."""
    ts, _ = product.ask_question(f"@StarChat {MUTEX}", GENERAL)
    product.workspace.redeliver_events(ts)
    product.workspace.redeliver_events(ts)
    product.ask_question(f"@StarChat {MUTEX}", GENERAL)

    assert len(product.workspace.bot_replies(GENERAL, ts)) == 1


def test_logs_contain_no_text_and_no_token(product: Product) -> None:
    """No log line contains a question, a reply or a Slack token."""
    secret = "heliotrope-canary-4711"
    product.ask_question(f"@StarChat {secret}", GENERAL, user=ADA)
    product.ask_question(f"@StarChat {MUTEX}", GENERAL)

    for text in (secret, MUTEX, ANSWERS[MUTEX], BOT_TOKEN, APP_TOKEN):
        assert text not in product.all_logs
    assert product.all_logs.count("\n") > 0
