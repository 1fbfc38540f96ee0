"""Slack `block_actions` payloads: presses of the bot's buttons, parsed into types."""

from collections.abc import Callable, Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.messages.content.json_fields import Json, get_text
from bot.messages.events import Ignored, SlackId, Timestamp
from bot.messages.message import BotIdentity, read_slack_id
from bot.messages.votes.entries import Id, Version
from bot.messages.votes.presses import Mark
from contract.job import Thread
from contract.reply_controls import (
    CODE_ACTION_ID,
    DELETE_ACTION_ID,
    DETAILS_ACTION_ID,
    NO_VERSION,
    RAN_ACTION_ID,
    REWORK_ACTION_IDS,
    VOTE_ACTION_ID,
    WITHDRAW_ACTION_ID,
    ReplyAddress,
)
from contract.reply_details import ReplyDetails
from contract.rework import Rework
from contract.stop import STOP_ACTION_ID

SHARE_ACTION_ID: Final = "share_answer"
"""`action_id` of the button that shares an answer of a direct message in a channel."""
ANSWER_AGAIN_ACTION_ID: Final = "answer_again"
"""`action_id` of the button that has an edited question answered again."""


class ReanswerRequested(BaseModel):
    """Request for a new answer to an edited question; `version` identifies the edit."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp
    user: SlackId
    user_team: SlackId
    response_url: str


class StopRequested(BaseModel):
    """Request of `user` to stop the reply to the question at `ts`."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    user: SlackId


class ShareRequested(BaseModel):
    """Request of `user` to share in `origin` the answer to the question at `ts` of a direct one."""

    model_config = ConfigDict(frozen=True)

    channel: str = Field(pattern=r"^D[A-Za-z0-9]{1,32}$")
    ts: Timestamp = Field(max_length=24)
    origin: str = Field(pattern=r"^[CG][A-Za-z0-9]{1,63}$")
    user: SlackId
    user_team: SlackId
    trigger_id: str = Field(max_length=200)


class DeletionRequested(BaseModel):
    """Request of `user` to delete the reply to the question at `ts`, which `asker` asked."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    asker: SlackId
    user: SlackId


class DetailsRequested(BaseModel):
    """Request of `user` to see how a reply was generated."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    address: ReplyAddress
    details: ReplyDetails
    user: SlackId


class CodeRequested(BaseModel):
    """Request of `user`, pressed at `pressed_at`, for the current code of a thread."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    user: SlackId
    pressed_at: Timestamp


class ReworkRequested(BaseModel):
    """Request of `user`, pressed at `pressed_at` (Slack's time), for work on a finished reply."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    address: ReplyAddress
    rework: Rework
    user: SlackId
    user_team: SlackId
    pressed_at: Timestamp


class VoteRequested(BaseModel):
    """Press by `user` of a vote, at `pressed_at`, on this version of the reply at `message_ts`."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    message_ts: Timestamp
    version: Version
    user: Id
    mark: Mark
    pressed_at: Timestamp
    trigger_id: str = Field(max_length=200)


class WithdrawalRequested(BaseModel):
    """Request of `user` that no one is linked to the answer to the question at `address`."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    address: ReplyAddress
    user: SlackId


class UnreadablePress(BaseModel):
    """Press by `user` of a control of a reply whose value is none that the bot writes."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    user: SlackId


UNREADABLE_ERRORS: Final = (ValidationError, LookupError, TypeError, ValueError, AttributeError)
ControlPress = (
    CodeRequested
    | DeletionRequested
    | DetailsRequested
    | ReworkRequested
    | VoteRequested
    | WithdrawalRequested
    | UnreadablePress
)
"""Press of a control of a finished reply."""
BlockAction = ReanswerRequested | StopRequested | ShareRequested | ControlPress
KIND_BY_ACTION: Final = {action: kind for kind, action in REWORK_ACTION_IDS.items()}
VOTES: Final = frozenset({VOTE_ACTION_ID, RAN_ACTION_ID})


def parse_block_action(body: Json, identity: BotIdentity) -> BlockAction | Ignored:
    """Parse a `block_actions` body; other buttons and malformed bodies become `Ignored`."""
    try:
        action = body["actions"][0]
        name = action["action_id"]
        if name == ANSWER_AGAIN_ACTION_ID:
            return _parse_reanswer(body, action["value"], identity)
        if name == STOP_ACTION_ID:
            return _parse_stop(body, action["value"], identity)
        if name == SHARE_ACTION_ID:
            return _parse_share(body, action["value"], identity)
        return _parse_control(body, action, identity) if name in CONTROLS else Ignored()
    except UNREADABLE_ERRORS:
        return Ignored(readable=False)


def _parse_control(body: Json, action: Json, identity: BotIdentity) -> ControlPress:
    """Parse a press of a reply's control; a bad value is no reason to stay silent."""
    try:
        return PARSERS[action["action_id"]](body, action, identity)
    except UNREADABLE_ERRORS:
        container = body["container"]
        thread_ts = container.get("thread_ts") or container["message_ts"]
        thread = Thread(team=identity.team, channel=body["channel"]["id"], ts=thread_ts)
        return UnreadablePress(thread=thread, user=_require_user(body))


def _parse_reanswer(body: Json, value: str, identity: BotIdentity) -> ReanswerRequested:
    root, ts, version = value.split(" ")
    return ReanswerRequested(
        thread=Thread(team=identity.team, channel=body["channel"]["id"], ts=root),
        ts=ts,
        version=version,
        user=body["user"]["id"],
        user_team=read_slack_id(body["user"].get("team_id")) or identity.team,
        response_url=get_text(body, "response_url"),
    )


def _parse_stop(body: Json, value: str, identity: BotIdentity) -> StopRequested:
    root, ts = value.split(" ")
    thread = Thread(team=identity.team, channel=body["channel"]["id"], ts=root)
    return StopRequested(thread=thread, ts=ts, user=_require_user(body))


def _parse_share(body: Json, value: str, identity: BotIdentity) -> ShareRequested:
    return ShareRequested(
        channel=body["channel"]["id"],
        ts=body["container"]["message_ts"],
        origin=value,
        user=_require_user(body),
        user_team=read_slack_id(body["user"].get("team_id")) or identity.team,
        trigger_id=get_text(body, "trigger_id"),
    )


def _parse_deletion(body: Json, action: Json, identity: BotIdentity) -> DeletionRequested:
    address = ReplyAddress.from_value(action["value"])
    return DeletionRequested(
        thread=_read_thread(body, address, identity),
        ts=address.ts,
        asker=address.asker,
        user=_require_user(body),
    )


def _parse_withdrawal(body: Json, action: Json, identity: BotIdentity) -> WithdrawalRequested:
    address = ReplyAddress.from_value(action["value"])
    return WithdrawalRequested(
        thread=_read_thread(body, address, identity), address=address, user=_require_user(body)
    )


def _parse_details(body: Json, action: Json, identity: BotIdentity) -> DetailsRequested:
    *words, details = action["value"].split(" ", 3)
    address = ReplyAddress.from_value(" ".join(words))
    return DetailsRequested(
        thread=_read_thread(body, address, identity),
        address=address,
        details=ReplyDetails.from_value(details),
        user=_require_user(body),
    )


def _parse_code_request(body: Json, action: Json, identity: BotIdentity) -> CodeRequested:
    address = ReplyAddress.from_value(action["value"])
    return CodeRequested(
        thread=_read_thread(body, address, identity),
        user=_require_user(body),
        pressed_at=action["action_ts"],
    )


def _parse_rework(body: Json, action: Json, identity: BotIdentity) -> ReworkRequested:
    words, _, reply_id = action["value"].rpartition(" ")
    address = ReplyAddress.from_value(words)
    return ReworkRequested(
        thread=_read_thread(body, address, identity),
        address=address,
        rework=Rework(kind=KIND_BY_ACTION[action["action_id"]], reply_id=reply_id),
        user=_require_user(body),
        user_team=read_slack_id(body["user"].get("team_id")) or identity.team,
        pressed_at=action["action_ts"],
    )


def _parse_vote(body: Json, action: Json, identity: BotIdentity) -> VoteRequested:
    mark, *words, version = action["value"].split(" ")
    address = ReplyAddress.from_value(" ".join(words))
    return VoteRequested(
        thread=_read_thread(body, address, identity),
        message_ts=body["container"]["message_ts"],
        version="" if version == NO_VERSION else version,
        user=_require_user(body),
        mark=mark,
        pressed_at=action["action_ts"],
        trigger_id=get_text(body, "trigger_id"),
    )


def _read_thread(body: Json, address: ReplyAddress, identity: BotIdentity) -> Thread:
    return Thread(team=identity.team, channel=body["channel"]["id"], ts=address.thread_ts)


def _require_user(body: Json) -> str:
    """Return the user who pressed a button. Raises `ValueError` if the payload names none."""
    user = read_slack_id(body["user"]["id"])
    if not user:
        raise ValueError("no user")
    return user


PARSERS: Final[Mapping[str, Callable[[Json, Json, BotIdentity], ControlPress]]] = {
    CODE_ACTION_ID: _parse_code_request,
    DELETE_ACTION_ID: _parse_deletion,
    DETAILS_ACTION_ID: _parse_details,
    WITHDRAW_ACTION_ID: _parse_withdrawal,
    VOTE_ACTION_ID: _parse_vote,
    RAN_ACTION_ID: _parse_vote,
    **dict.fromkeys(KIND_BY_ACTION, _parse_rework),
}
CONTROLS: Final = PARSERS.keys()
"""Controls of a finished reply."""
