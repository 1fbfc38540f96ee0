"""Block actions: presses of the bot's button are parsed, others ignored."""

from typing import Any

import pytest

from bot.messages.block_actions import (
    ANSWER_AGAIN_ACTION_ID,
    DeletionRequested,
    ReanswerRequested,
    parse_block_action,
)
from bot.messages.events import Ignored
from contract.reply_controls import DELETE_ACTION_ID
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, message_ts

Json = dict[str, Any]


def block_action(**more: Any) -> Json:
    """Return the body of a pressed button."""
    value = f"{message_ts(1)} {message_ts(2)} {message_ts(9)}"
    return {
        "type": "block_actions",
        "user": {"id": ADA, "team_id": "T0OTHER001"},
        "channel": {"id": CHANNEL},
        "response_url": "https://hooks.example/1",
        "actions": [{"action_id": ANSWER_AGAIN_ACTION_ID, "value": value}],
        **more,
    }


def test_button_press_identifies_question() -> None:
    """The payload has thread, question, edit and user."""
    asked = parse_block_action(block_action(), BOT_IDENTITY)

    assert isinstance(asked, ReanswerRequested)
    assert (asked.thread.ts, asked.ts, asked.version) == (
        message_ts(1),
        message_ts(2),
        message_ts(9),
    )
    assert (asked.user, asked.user_team) == (ADA, "T0OTHER001")
    bare = parse_block_action(block_action(user={"id": ADA}), BOT_IDENTITY)
    assert isinstance(bare, ReanswerRequested)
    assert bare.user_team == BOT_IDENTITY.team


def test_deletion_names_thread_question_and_asker() -> None:
    """The value holds all that a press needs; a malformed one is ignored."""
    value = f"{message_ts(1)} {message_ts(2)} {ADA}"
    action = {"action_id": DELETE_ACTION_ID, "value": value}
    found = parse_block_action(block_action(actions=[action]), BOT_IDENTITY)
    assert isinstance(found, DeletionRequested)
    assert (found.thread.ts, found.ts, found.asker) == (message_ts(1), message_ts(2), ADA)
    action["value"] = f"{message_ts(1)} {message_ts(2)} <!channel>"
    malformed = parse_block_action(block_action(actions=[action]), BOT_IDENTITY)
    assert malformed == Ignored(readable=False)


@pytest.mark.parametrize(
    ("more", "readable"),
    [
        ({"actions": [{"action_id": "another"}]}, True),
        ({"actions": []}, False),
        ({"actions": None}, False),
        ({"actions": [{"action_id": ANSWER_AGAIN_ACTION_ID, "value": "now"}]}, False),
        ({"actions": [{"action_id": ANSWER_AGAIN_ACTION_ID, "value": "1.1 2.2 now"}]}, False),
        ({"actions": [{"action_id": ANSWER_AGAIN_ACTION_ID, "value": None}]}, False),
        ({"channel": None}, False),
    ],
)
def test_other_button_presses_are_ignored(more: Json, readable: bool) -> None:  # noqa: FBT001
    """Unknown buttons and malformed payloads are ignored."""
    assert parse_block_action(block_action(**more), BOT_IDENTITY) == Ignored(readable=readable)
