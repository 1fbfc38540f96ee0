"""Slack events, parsed once into types; events that the bot does not use become `Ignored`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.messages.message import BotIdentity, Message
from bot.messages.mrkdwn import replace_surrogates
from contract.job import Thread

Json = Mapping[str, Any]

QUESTION_SUBTYPES: Final = frozenset({"", "thread_broadcast", "file_share", "bot_message"})
"""Subtypes of messages that may be questions."""

SlackId = Annotated[str, Field(pattern=r"^[A-Za-z0-9]*$")]
Timestamp = Annotated[str, Field(pattern=r"^\d+\.\d+$")]
ClientMsgId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class ChannelType(StrEnum):
    """Slack's `channel_type`; private channels count as channels."""

    CHANNEL = "channel"
    IM = "im"
    MPIM = "mpim"


class MessagePosted(BaseModel):
    """
    New message.

    `bot_ids` holds every id of an author that is a bot; it is empty for a person. `message` is what
    the thread cache keeps. `client_msg_id` is the same for two sends of one message. A root is no
    `is_thread_reply`, whether it has replies or not.
    """

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    channel_type: ChannelType
    author: SlackId
    author_team: SlackId
    text: str
    message: Message | None
    can_ask: bool
    is_own: bool
    bot_ids: frozenset[str] = frozenset()
    client_msg_id: ClientMsgId | None = None
    is_thread_reply: bool = False
    is_external: bool = False
    is_guest: bool = False


class MessageChanged(BaseModel):
    """Message that was edited by a person (`is_edit`) or unfurled; `version` orders changes."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp
    message: Message | None
    is_own: bool
    is_edit: bool = False


class MessageDeleted(BaseModel):
    """Deleted message."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp


class AppHomeOpened(BaseModel):
    """User who opened the bot's Home tab."""

    model_config = ConfigDict(frozen=True)

    team: SlackId
    user: SlackId


class AppUninstalled(BaseModel):
    """Workspace that has uninstalled the bot or revoked its token."""

    model_config = ConfigDict(frozen=True)

    team: SlackId


class Ignored(BaseModel):
    """Any other event, and malformed ones (not `readable`): acknowledged without effect."""

    model_config = ConfigDict(frozen=True)

    readable: bool = True


Event = MessagePosted | MessageChanged | MessageDeleted | AppHomeOpened | AppUninstalled | Ignored


def parse_event(body: Json, identity: BotIdentity) -> Event:
    """Parse the body of an `event_callback`; a malformed event becomes an unreadable `Ignored`."""
    event = body.get("event")
    if not isinstance(event, Mapping):
        return Ignored(readable=False)
    try:
        return _parse_by_type(event, body, identity)
    except (ValidationError, KeyError, TypeError, AttributeError):
        return Ignored(readable=False)


def _parse_by_type(event: Json, body: Json, identity: BotIdentity) -> Event:
    match event.get("type"):
        case "message" | "app_mention":
            return _parse_message(event, body, identity)
        case "app_home_opened":
            return _parse_home_opened(event, _read_team(body, identity))
        case "app_uninstalled":
            return AppUninstalled(team=_read_team(body, identity))
        case "tokens_revoked":
            return _parse_tokens_revoked(event, _read_team(body, identity))
        case _:
            return Ignored()


def _parse_home_opened(event: Json, team: str) -> Event:
    if event.get("tab") != "home":
        return Ignored()
    return AppHomeOpened(team=team, user=event["user"])


def _parse_tokens_revoked(event: Json, team: str) -> Event:
    tokens = event.get("tokens")
    bots = tokens.get("bot") if isinstance(tokens, Mapping) else None
    return AppUninstalled(team=team) if bots else Ignored()


def _parse_message(event: Json, body: Json, identity: BotIdentity) -> Event:
    team = _read_team(body, identity)
    match event.get("subtype"):
        case "message_changed":
            return _parse_change(event, team, identity)
        case "message_deleted":
            return _parse_deletion(event, event["deleted_ts"], team)
        case _:
            return _parse_new_message(event, body, team, identity)


def _parse_new_message(event: Json, body: Json, team: str, identity: BotIdentity) -> MessagePosted:
    author = str(event.get("user") or event.get("bot_id") or "")
    author_team = event.get("user_team") or event.get("source_team") or event.get("team")
    is_shared = bool(body.get("is_ext_shared_channel"))
    is_own = identity.is_author_of(event)
    # Slack sends `app_mention` again when the message is edited: an edit is no new question.
    is_new = not (is_own or event.get("hidden") or event.get("edited"))
    can_ask = is_new and (event.get("subtype") or "") in QUESTION_SUBTYPES
    message = Message.from_slack(event, identity)
    profile = event.get("user_profile")
    profile = profile if isinstance(profile, Mapping) else {}
    thread = _read_thread(team, event["channel"], event)
    return MessagePosted(
        thread=thread,
        ts=event["ts"],
        channel_type=_read_channel_type(event),
        author=author,
        author_team=str(author_team or team),
        text=replace_surrogates(str(event.get("text") or "")),
        message=message,
        can_ask=can_ask and message is not None,
        is_own=is_own,
        bot_ids=_collect_bot_ids(event),
        client_msg_id=event.get("client_msg_id"),
        is_thread_reply=event["ts"] != thread.ts,
        is_external=is_shared and author_team != team,
        is_guest=bool(profile.get("is_restricted") or profile.get("is_ultra_restricted")),
    )


def _collect_bot_ids(event: Json) -> frozenset[str]:
    if not event.get("bot_id") and event.get("subtype") != "bot_message":
        return frozenset()
    ids = (event.get("bot_id"), event.get("app_id"), event.get("user"))
    return frozenset(str(found) for found in ids if found) or frozenset({"?"})


def _parse_change(event: Json, team: str, identity: BotIdentity) -> Event:
    raw = event["message"]
    if raw.get("subtype") == "tombstone":
        # Slack turns a deleted root that has replies into a tombstone.
        return _parse_deletion(event, raw["ts"], team)
    message, is_own = Message.from_slack(raw, identity), identity.is_author_of(raw)
    return MessageChanged(
        thread=_read_thread(team, event["channel"], raw),
        ts=raw["ts"],
        version=_read_version(event),
        message=message,
        is_own=is_own,
        is_edit=message is not None
        and not is_own
        and not _has_same_content(event, message, identity),
    )


def _has_same_content(event: Json, message: Message, identity: BotIdentity) -> bool:
    """Return whether text and files are unchanged, as after an unfurl."""
    before = event.get("previous_message")
    previous = Message.from_slack(before, identity) if isinstance(before, Mapping) else None
    return previous is not None and (previous.text, previous.files) == (message.text, message.files)


def _parse_deletion(event: Json, ts: str, team: str) -> MessageDeleted:
    before = event.get("previous_message")
    before = before if isinstance(before, Mapping) else {}
    thread = _read_thread(team, event["channel"], {"ts": ts, "thread_ts": before.get("thread_ts")})
    return MessageDeleted(thread=thread, ts=ts, version=_read_version(event))


def _read_version(event: Json) -> str:
    return str(event.get("event_ts") or event["ts"])


def _read_thread(team: str, channel: str, message: Json) -> Thread:
    return Thread(team=team, channel=channel, ts=message.get("thread_ts") or message["ts"])


def _read_channel_type(event: Json) -> ChannelType:
    channel_type = event.get("channel_type")
    if channel_type == "mpim":
        return ChannelType.MPIM
    is_im = channel_type == "im" or str(event["channel"]).startswith("D")
    return ChannelType.IM if is_im else ChannelType.CHANNEL


def _read_team(body: Json, identity: BotIdentity) -> str:
    """Return the team that the event is for: by Slack's reference, the first authorization."""
    authorizations = body.get("authorizations")
    first = authorizations[0] if isinstance(authorizations, list) and authorizations else None
    team = first.get("team_id") if isinstance(first, Mapping) else None
    return str(team or body.get("team_id") or identity.team)
