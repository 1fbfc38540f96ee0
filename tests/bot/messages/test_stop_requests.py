"""Requests to stop: the word, the button, the reaction and Slack's own Stop, parsed and bounded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.admission import Policy, Verdict, admit, is_stop_word
from bot.messages.block_actions import StopRequested, parse_block_action
from bot.messages.conversation import is_command
from bot.messages.event_parser import parse_event
from bot.messages.events import Ignored, SessionStopped, StopReaction
from bot.messages.message import Message
from contract.language import Language
from contract.stop import build_stop_block
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    CHANNEL,
    MENTION,
    make_message,
    make_message_event,
    message_ts,
)

Json = dict[str, Any]


@pytest.mark.parametrize(
    "text",
    [
        "stop",
        "Stop!",
        "*STOP*",
        "`stop`",
        f"{MENTION} stop",
        f"stop {MENTION}.",
        " stop :octagonal_sign:",
    ],
)
def test_bare_word_is_recognized(text: str) -> None:
    """Formatting, punctuation, emoji and mentions of the bot are no words."""
    assert is_stop_word(text, BOT_IDENTITY)


@pytest.mark.parametrize("text", ["", "stop it", "don't stop", "stopp", "stop " + "*" * 300])
def test_other_words_are_none(text: str) -> None:
    """A message with more words, or a long one, is for the model."""
    assert not is_stop_word(text, BOT_IDENTITY)


def test_word_in_a_direct_message_is_a_question_without_a_mention() -> None:
    """The handler of stops has found nothing to stop by then."""

    def decide(text: str) -> Verdict:
        event = make_message_event(text=text, channel="D01", channel_type="im")
        return admit(event, BOT_IDENTITY, policy=Policy(), mode=None, num_people=None)

    assert decide("stop") is Verdict.ANSWER
    assert decide(f"{MENTION} stop") is Verdict.STOP


def test_word_is_no_turn_of_a_conversation() -> None:
    """With or without a mention; a sentence with the word is one."""
    texts = {"stop": True, f"{MENTION} stop": True, "stop the server": False}
    for text, expected in texts.items():
        message = Message.from_slack(make_message(text=text), BOT_IDENTITY)
        assert message is not None
        assert is_command(message, BOT_IDENTITY) is expected


def press(**more: Any) -> Json:
    """Return the body of a press of the button in a reply."""
    [button] = build_stop_block(message_ts(1), message_ts(2), Language.ENGLISH)["elements"]
    action = {"action_id": button["action_id"], "value": button["value"]}
    return {"user": {"id": ADA}, "channel": {"id": CHANNEL}, "actions": [action]} | more


def test_button_names_thread_question_and_person() -> None:
    """The payload holds all that is needed."""
    found = parse_block_action(press(), BOT_IDENTITY)
    assert isinstance(found, StopRequested)
    assert (found.thread.ts, found.ts, found.user) == (message_ts(1), message_ts(2), ADA)


@pytest.mark.parametrize(
    "more",
    [
        {"user": {"id": ""}},
        {"user": {"id": "<!channel>"}},
        {"channel": {"id": "C:1"}},
        {"actions": [{"action_id": "stop_reply", "value": "now"}]},
        {"actions": [{"action_id": "stop_reply", "value": "1.1 now"}]},
        {"actions": [{"action_id": "stop_reply"}]},
    ],
)
def test_malformed_presses_are_ignored(more: Json) -> None:
    """Anything may be in a payload."""
    assert parse_block_action(press(**more), BOT_IDENTITY) == Ignored(readable=False)


def parse(**event: Any) -> object:
    """Parse an event."""
    return parse_event({"type": "event_callback", "event": event}, BOT_IDENTITY)


def test_events_that_stop_are_parsed() -> None:
    """The reaction names a message, Slack's own Stop a thread."""
    item = {"type": "message", "channel": CHANNEL, "ts": message_ts(2)}
    reaction = {"type": "reaction_added", "user": ADA, "reaction": "octagonal_sign", "item": item}
    found = parse(**reaction)
    assert isinstance(found, StopReaction)
    assert (found.channel, found.ts, found.user) == (CHANNEL, message_ts(2), ADA)
    assert parse(**reaction | {"reaction": "tada"}) == Ignored()
    assert parse(**reaction | {"item": {"type": "file"}}) == Ignored()
    stopped = parse(
        type="agent_session_stopped", user=ADA, channel=CHANNEL, thread_ts=message_ts(1)
    )
    assert isinstance(stopped, SessionStopped)
    assert (stopped.thread.ts, stopped.user) == (message_ts(1), ADA)


@given(
    st.sampled_from(["reaction_added", "agent_session_stopped"]),
    st.dictionaries(
        st.sampled_from(["user", "channel", "thread_ts", "item", "reaction"]),
        st.none() | st.text(max_size=8) | st.dictionaries(st.text(max_size=4), st.none()),
    ),
)
def test_any_event_is_parsed_without_error(kind: str, fields: Json) -> None:
    """Random events never raise."""
    parse(**fields | {"type": kind})
