"""Optional fields of an unexpected form are dropped, never the message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.block_actions import ANSWER_AGAIN_ACTION_ID, ReanswerRequested, parse_block_action
from bot.messages.event_parser import parse_event
from bot.messages.events import MessageChanged, MessageDeleted, MessagePosted
from bot.messages.message import UNKNOWN_USER
from contract.conversation import Speaker, Turn
from contract.job import Job
from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    CHANNEL,
    MENTION,
    make_body,
    make_message,
    make_message_event,
    message_ts,
)

Json = dict[str, Any]

OPTIONAL_FIELDS = (
    *("client_msg_id", "thread_ts", "team", "user_team", "source_team", "event_ts", "blocks"),
    *("attachments", "files", "edited", "hidden", "user_profile", "subtype", "channel_type"),
    *("parent_user_id", "metadata", "reactions", "app_id", "username", "bot_profile", "root"),
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    7,
    0.5,
    True,
    [],
    {},
    [7],
    {"a": []},
    "",
    "a.b",
    "x:y*",
    "\u0661.\u0661",
    "🙂",
)
MEANINGFUL_FIELDS: list[tuple[str, Any]] = [
    ("hidden", True),
    *(("subtype", value) for value in ODD_VALUES if isinstance(value, str) and value),
]
"""Values with a meaning: a hidden message, and kinds of messages that Slack writes itself."""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in OPTIONAL_FIELDS
        for value in ODD_VALUES
        if (field, value) not in MEANINGFUL_FIELDS
    ],
)
def test_odd_optional_field_keeps_the_question(field: str, value: Any) -> None:
    """A mention is a question in its thread, and its job is valid, with any value of one field."""
    post = make_message_event(1, f"{MENTION} hi", **{field: value})
    turn = Turn(speaker=Speaker.USER, text="hi", ts=post.ts)
    job = Job(
        thread=post.thread, ts=post.ts, user=post.author, user_team=post.author_team, turns=(turn,)
    )

    assert post.can_ask
    assert BOT_IDENTITY.user_id in post.mentions
    assert (job.thread.ts, job.user, job.user_team) == (message_ts(1), ADA, BOT_IDENTITY.team)


@pytest.mark.parametrize("user", ["U0ADA-1", "U0.ADA", "../etc", "U1|x> <!here"])
def test_odd_user_id_becomes_unknown_user(user: str) -> None:
    """A message of a user with an unexpected id is a question of an unknown user."""
    post = make_message_event(1, user=user)

    assert post.can_ask
    assert post.author == UNKNOWN_USER
    assert post.message is not None
    assert post.message.author == UNKNOWN_USER


@pytest.mark.parametrize("found", ["a.b", "x" * 65, "", 7])
def test_odd_client_msg_id_is_dropped(found: Any) -> None:
    """Only a `client_msg_id` that can be a part of a Redis key is used."""
    assert make_message_event(1, client_msg_id="3a7c-1").client_msg_id == "3a7c-1"
    assert make_message_event(1, client_msg_id=found).client_msg_id in {None, "7"}


@pytest.mark.parametrize("odd", [None, "now", 7, "", []])
def test_odd_times_keep_changes_and_deletions(odd: Any) -> None:
    """Edits and deletions without a usable `event_ts` are ordered by the next best time."""
    hidden: Json = {"type": "message", "hidden": True, "ts": message_ts(9), "event_ts": odd}
    inner = make_message(2, "better", thread_ts=odd)
    changed = parse_event(
        make_body({**hidden, "subtype": "message_changed", "message": inner}), BOT_IDENTITY
    )
    deleted = parse_event(
        make_body({**hidden, "subtype": "message_deleted", "deleted_ts": message_ts(2)}),
        BOT_IDENTITY,
    )

    assert isinstance(changed, MessageChanged)
    assert isinstance(deleted, MessageDeleted)
    assert changed.version == deleted.version == message_ts(9)
    assert changed.thread.ts == deleted.thread.ts == message_ts(2)


@pytest.mark.parametrize("team", [None, 7, "T-1", ""])
def test_odd_team_of_button_press_is_own_team(team: Any) -> None:
    """The button works for a user whose team has an unexpected form."""
    found = parse_block_action(
        {
            "actions": [
                {
                    "action_id": ANSWER_AGAIN_ACTION_ID,
                    "value": f"{message_ts(1)} {message_ts(1)} {message_ts(2)}",
                }
            ],
            "channel": {"id": CHANNEL},
            "user": {"id": ADA, "team_id": team},
        },
        BOT_IDENTITY,
    )

    assert isinstance(found, ReanswerRequested)
    assert (found.user_team, found.response_url) == (BOT_IDENTITY.team, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
DROPPED_FIELDS = st.sampled_from([f for f in OPTIONAL_FIELDS if f not in {"subtype", "hidden"}])


@given(st.dictionaries(DROPPED_FIELDS, JSON))
def test_any_optional_fields_keep_the_question(fields: Json) -> None:
    """A mention stays a question with any values of several optional fields."""
    found = parse_event(make_body({**make_message(1), **fields}), BOT_IDENTITY)

    assert isinstance(found, MessagePosted)
    assert found.can_ask
