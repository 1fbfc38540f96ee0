"""Events of the app's tabs: a person opens the Home tab, or the direct message."""

from bot.messages.event_parser import parse_event
from bot.messages.events import AppHomeOpened, Ignored, MessagesTabOpened
from testing.slack_events import ADA, BOT_IDENTITY, make_body


def test_home_opened_has_user() -> None:
    """Opening either tab is parsed; another one is ignored."""
    home = {"type": "app_home_opened", "user": ADA, "tab": "home"}

    assert parse_event(make_body(home), BOT_IDENTITY) == AppHomeOpened(
        team=BOT_IDENTITY.team, user=ADA
    )
    messages = {**home, "tab": "messages", "channel": "D0ADA"}
    assert parse_event(make_body(messages), BOT_IDENTITY) == MessagesTabOpened(
        team=BOT_IDENTITY.team, user=ADA, channel="D0ADA"
    )
    assert parse_event(make_body({**home, "tab": "about"}), BOT_IDENTITY) == Ignored()
