"""Block actions: presses of the bot's button are parsed, others ignored."""

from typing import Any

import pytest

from bot.messages.block_actions import (
    ANSWER_AGAIN_ACTION_ID,
    SHARE_ACTION_ID,
    CodeRequested,
    DeletionRequested,
    DetailsRequested,
    ReanswerRequested,
    ReworkRequested,
    ShareRequested,
    UnreadablePress,
    VoteRequested,
    WithdrawalRequested,
    parse_block_action,
)
from bot.messages.events import Ignored
from bot.messages.votes.presses import Mark
from contract.reply_controls import (
    CODE_ACTION_ID,
    DELETE_ACTION_ID,
    DETAILS_ACTION_ID,
    RAN_ACTION_ID,
    REWORK_ACTION_IDS,
    VOTE_ACTION_ID,
    WITHDRAW_ACTION_ID,
)
from contract.rework import ReworkKind
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, message_ts

Json = dict[str, Any]
ADDRESS = f"{message_ts(1)} {message_ts(2)} {ADA}"


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


def press(action_id: str, value: object, **more: Any) -> object:
    """Parse a press of a control of a finished reply."""
    container = {"message_ts": message_ts(3), "thread_ts": message_ts(1)}
    action = {"action_id": action_id, "value": value, "action_ts": message_ts(8)}
    body = block_action(actions=[action], container=container)
    return parse_block_action(body | more, BOT_IDENTITY)


def test_anyone_may_ask_for_the_code() -> None:
    """The time of the press tells two presses apart; a forged value is answered with a word."""
    found = press(CODE_ACTION_ID, ADDRESS)
    assert isinstance(found, CodeRequested)
    assert (found.thread.ts, found.user, found.pressed_at) == (message_ts(1), ADA, message_ts(8))
    assert isinstance(press(CODE_ACTION_ID, "x"), UnreadablePress)


def test_controls_name_thread_question_and_asker() -> None:
    """The value holds all that a press needs."""
    found = press(DELETE_ACTION_ID, ADDRESS)
    assert isinstance(found, DeletionRequested)
    assert (found.thread.ts, found.ts, found.asker) == (message_ts(1), message_ts(2), ADA)
    found = press(DETAILS_ACTION_ID, ADDRESS + ' {"seed":41,"model":"a b"}')
    assert isinstance(found, DetailsRequested)
    assert (found.thread.ts, found.address.ts, found.user) == (message_ts(1), message_ts(2), ADA)
    assert (found.details.seed, found.details.model) == (41, "a b")
    found = press(WITHDRAW_ACTION_ID, ADDRESS)
    assert isinstance(found, WithdrawalRequested)
    assert (found.thread.ts, found.address.ts, found.user) == (message_ts(1), message_ts(2), ADA)
    assert isinstance(press(WITHDRAW_ACTION_ID, "1.0"), UnreadablePress)


@pytest.mark.parametrize("kind", list(ReworkKind))
def test_rework_names_the_version_of_the_reply(kind: ReworkKind) -> None:
    """And the time of the press, by which it is accepted once."""
    found = press(REWORK_ACTION_IDS[kind], f"{ADDRESS} 0a0b")
    assert isinstance(found, ReworkRequested)
    assert (found.rework.kind, found.rework.reply_id) == (kind, "0a0b")
    assert (found.address.ts, found.pressed_at) == (message_ts(2), message_ts(8))
    assert (found.user, found.user_team) == (ADA, "T0OTHER001")


def test_vote_names_reply_version_and_time() -> None:
    """The trigger opens a form."""
    found = press(VOTE_ACTION_ID, f"down {ADDRESS} 0a", trigger_id="1.2.ab")
    assert isinstance(found, VoteRequested)
    assert (found.thread.ts, found.message_ts, found.user) == (message_ts(1), message_ts(3), ADA)
    assert (found.mark, found.version, found.pressed_at) == (Mark.DOWN, "0a", message_ts(8))
    assert found.trigger_id == "1.2.ab"
    bare = press(RAN_ACTION_ID, f"ran {ADDRESS} -")
    assert isinstance(bare, VoteRequested)
    assert (bare.mark, bare.version) == (Mark.RAN, "")


@pytest.mark.parametrize(
    "action_id",
    [
        *(DELETE_ACTION_ID, DETAILS_ACTION_ID, VOTE_ACTION_ID, RAN_ACTION_ID),
        *REWORK_ACTION_IDS.values(),
    ],
)
@pytest.mark.parametrize("value", [None, "", "1.0", ADDRESS.replace(ADA, "<!channel>"), "a b c d"])
def test_forged_value_of_a_control_is_told_to_its_person(action_id: str, value: object) -> None:
    """The thread is that of the message; without one, nothing is done."""
    found = press(action_id, value)
    assert isinstance(found, UnreadablePress)
    assert (found.thread.ts, found.user) == (message_ts(1), ADA)
    for more in ({"container": None}, {"user": {"id": ""}}, {"channel": {"id": "C:1"}}):
        assert press(action_id, value, **more) == Ignored(readable=False)
    root = press(action_id, value, container={"message_ts": message_ts(3)})
    assert isinstance(root, UnreadablePress)
    assert root.thread.ts == message_ts(3)


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


def test_share_names_question_and_channel() -> None:
    """Only a direct message is shared, and only in a channel."""
    press = block_action(
        channel={"id": "D0ADA"},
        container={"message_ts": message_ts(1)},
        actions=[{"action_id": SHARE_ACTION_ID, "value": CHANNEL}],
        trigger_id="1",
    )
    shared = parse_block_action(press, BOT_IDENTITY)
    assert isinstance(shared, ShareRequested)
    assert (shared.channel, shared.ts, shared.origin) == ("D0ADA", message_ts(1), CHANNEL)
    assert (shared.user, shared.user_team, shared.trigger_id) == (ADA, "T0OTHER001", "1")

    changes: tuple[Json, ...] = (
        {"channel": {"id": CHANNEL}},
        {"actions": [{"action_id": SHARE_ACTION_ID, "value": "D0LIN"}]},
        {"container": {}},
    )
    for change in changes:
        assert parse_block_action(press | change, BOT_IDENTITY) == Ignored(readable=False)
