"""Slack's messages and events by hand, for tests of the bot's pure functions."""

from typing import Any, Final

from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.messages.message import BotIdentity

Json = dict[str, Any]

BOT_IDENTITY: Final = BotIdentity(
    team="T0FAKE0001", user_id="U0STARCHAT", bot_id="B0STARCHAT", name="StarChat"
)
ADA: Final = "U0ADA00001"
LIN: Final = "U0LIN00001"
CHANNEL: Final = "C0GENERAL1"
MENTION: Final = "<@U0STARCHAT>"


def message_ts(number: int) -> str:
    """Return the timestamp of the message with this number."""
    return f"17000{number:05d}.000100"


def make_message(number: int = 1, text: str = f"{MENTION} hi", **more: Any) -> Json:
    """Return a message as in `conversations.replies`, by default Ada's."""
    return {"type": "message", "user": ADA, "text": text, "ts": message_ts(number), **more}


def make_reply(
    number: int, *words: str, question: str = message_ts(1), part: int = 1, **more: Any
) -> Json:
    """Return a finished reply of the app with one paragraph for each of `words`."""
    return {
        "type": "message",
        "user": BOT_IDENTITY.user_id,
        "bot_id": BOT_IDENTITY.bot_id,
        "text": "fallback",
        "ts": message_ts(number),
        "blocks": [
            {"type": "rich_text", "elements": [make_paragraph(text) for text in words]},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "may be wrong"}]},
        ],
        "metadata": {
            "event_type": "starchat_reply",
            "event_payload": {
                "job": "T-C-1",
                "part": part,
                "question": question,
                "state": more.pop("state", "final"),
            },
        },
        **more,
    }


def make_paragraph(words: str) -> Json:
    """Return a rich-text paragraph, or a code block if the text begins with a fence."""
    if words.startswith("```"):
        language, _, code = words.removeprefix("```").partition("\n")
        elements = [{"type": "text", "text": code}]
        return {"type": "rich_text_preformatted", "elements": elements, "language": language}
    return {"type": "rich_text_section", "elements": [{"type": "text", "text": words}]}


def make_body(event: Json, **more: Any) -> Json:
    """Return the `event_callback` body around an event."""
    return {
        "type": "event_callback",
        "team_id": BOT_IDENTITY.team,
        "authorizations": [
            {"team_id": BOT_IDENTITY.team, "user_id": BOT_IDENTITY.user_id, "is_bot": True}
        ],
        "is_ext_shared_channel": False,
        "event": {"channel": CHANNEL, "channel_type": "channel", **event},
        **more,
    }


def make_message_event(number: int = 1, text: str = f"{MENTION} hi", **more: Any) -> MessagePosted:
    """Return a message event as the bot parses it; `outer` holds fields of the body."""
    outer = more.pop("outer", {})
    event = parse_event(make_body(make_message(number, text, **more), **outer), BOT_IDENTITY)
    assert isinstance(event, MessagePosted)
    return event
