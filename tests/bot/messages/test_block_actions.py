"""A press of our button is read once; every other one is acknowledged and left alone."""

from typing import Any

import pytest

from bot.messages.block_actions import ANSWER_AGAIN, AskedAgain, read
from bot.messages.events import Other
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, message_ts

Json = dict[str, Any]


def press(**more: Any) -> Json:
    """Return the body of a pressed button."""
    value = f"{message_ts(1)} {message_ts(2)} {message_ts(9)}"
    return {
        "type": "block_actions",
        "user": {"id": ADA, "team_id": "T0OTHER001"},
        "channel": {"id": CHANNEL},
        "response_url": "https://hooks.example/1",
        "actions": [{"action_id": ANSWER_AGAIN, "value": value}],
        **more,
    }


def test_a_wish_for_another_answer_names_its_question() -> None:
    """Thread, question, edit and person are in what Slack sends back to us."""
    asked = read(press(), BOT_IDENTITY)

    assert isinstance(asked, AskedAgain)
    assert (asked.thread.ts, asked.ts, asked.version) == (
        message_ts(1),
        message_ts(2),
        message_ts(9),
    )
    assert (asked.user, asked.user_team) == (ADA, "T0OTHER001")
    bare = read(press(user={"id": ADA}), BOT_IDENTITY)
    assert isinstance(bare, AskedAgain)
    assert bare.user_team == BOT_IDENTITY.team


@pytest.mark.parametrize(
    ("more", "readable"),
    [
        ({"actions": [{"action_id": "another"}]}, True),
        ({"actions": []}, False),
        ({"actions": None}, False),
        ({"actions": [{"action_id": ANSWER_AGAIN, "value": "now"}]}, False),
        ({"actions": [{"action_id": ANSWER_AGAIN, "value": "1.1 2.2 now"}]}, False),
        ({"actions": [{"action_id": ANSWER_AGAIN, "value": None}]}, False),
        ({"channel": None}, False),
    ],
)
def test_every_other_press_is_acknowledged(more: Json, readable: bool) -> None:  # noqa: FBT001
    """A button of nobody's, or a strange payload, breaks nothing."""
    assert read(press(**more), BOT_IDENTITY) == Other(readable=readable)
