"""Public questions: what the events of messages tell, and what is remembered."""

from typing import Any

import pytest

from bot.messages import public_questions
from bot.messages.events import MessagePosted
from bot.messages.public_questions import PublicQuestions
from testing.slack_events import make_message_event


def parse_message(
    channel_type: str | None = "channel", number: int = 1, **outer: Any
) -> MessagePosted:
    """Return the event of a message in a channel of this type."""
    return make_message_event(number, channel_type=channel_type, outer=outer)


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
    """An edit, which makes a message a question, may come after the channel became private."""
    questions = PublicQuestions()
    found = [questions.is_public(parse_message())]
    for channel_type in ("channel", None, "group"):
        questions.record_message(parse_message(channel_type))
        found.append(questions.is_public(parse_message(None)))
    assert found == [False, True, True, False]


def test_other_messages_tell_nothing() -> None:
    """The channel may have become private or shared between the two."""
    questions = PublicQuestions()
    questions.record_message(parse_message())
    elsewhere = parse_message(None, authorizations=[{"team_id": "T0OTHER001"}])

    assert questions.is_public(parse_message(None))
    assert not questions.is_public(parse_message(None, 2))
    assert not questions.is_public(elsewhere)


def test_oldest_messages_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is bounded."""
    monkeypatch.setattr(public_questions, "MAX_MESSAGES", 2)
    questions = PublicQuestions()
    posts = [parse_message(number=number) for number in (1, 2, 3)]
    for number in (0, 1, 0, 2):
        questions.record_message(posts[number])
    assert [questions.is_public(post) for post in posts] == [True, False, True]
