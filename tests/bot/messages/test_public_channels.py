"""Public channels: what the events of messages tell, and what is remembered."""

from typing import Any

import pytest

from bot.messages import public_channels
from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.messages.public_channels import PublicChannels
from contract.job import Thread
from testing.slack_events import BOT_IDENTITY, make_body, make_message

THREAD = Thread(team=BOT_IDENTITY.team, channel="C0GENERAL1", ts="1.0")


def parse_message(channel_type: str | None = "channel", **body: Any) -> MessagePosted:
    """Return the event of a message in a channel of this type."""
    found = parse_event(
        make_body({**make_message(), "channel_type": channel_type}, **body), BOT_IDENTITY
    )
    assert isinstance(found, MessagePosted)
    return found


@pytest.mark.parametrize(
    ("channel_type", "is_shared", "expected"),
    [
        ("channel", False, True),
        ("channel", True, False),
        ("channel", None, False),
        ("group", False, False),
        ("im", False, False),
        ("mpim", False, False),
        (None, False, None),
        ("", False, None),
    ],
)
def test_only_an_unshared_channel_is_public(
    channel_type: str | None, *, is_shared: bool | None, expected: bool | None
) -> None:
    """A mention's second event has no type, so it tells nothing."""
    assert parse_message(channel_type, is_ext_shared_channel=is_shared).is_public is expected


def test_last_event_with_a_type_decides() -> None:
    """A channel that becomes private is private from its next message on."""
    channels = PublicChannels()
    found = [channels.is_public(THREAD)]
    for channel_type in ("channel", None, "group"):
        channels.record_message(parse_message(channel_type))
        found.append(channels.is_public(THREAD))
    assert found == [False, True, True, False]
    other = THREAD.model_copy(update={"team": "T0OTHER001"})
    channels.record_message(parse_message())
    assert not channels.is_public(other)


def test_channels_with_the_oldest_events_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is bounded."""
    monkeypatch.setattr(public_channels, "MAX_CHANNELS", 2)
    channels = PublicChannels()
    threads = [THREAD.model_copy(update={"channel": f"C{number}"}) for number in range(3)]
    for number in (0, 1, 0, 2):
        event = parse_message()
        channels.record_message(event.model_copy(update={"thread": threads[number]}))
    assert [channels.is_public(thread) for thread in threads] == [True, False, True]
