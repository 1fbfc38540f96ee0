"""
Parser of Slack events: payloads become types, and events that the bot does not use `Ignored`.

Only team, channel and `ts` identify a message. Other fields of an unexpected form are dropped,
never the message.
"""

import re
from collections.abc import Collection
from typing import Final

from pydantic import ValidationError

from bot.messages import mrkdwn
from bot.messages.asks.asked_message import AskedMessage
from bot.messages.content.json_fields import Json, get_mapping, get_text, list_mappings
from bot.messages.events import (
    AppHomeOpened,
    AppUninstalled,
    BotInvited,
    ChannelMoved,
    ChannelType,
    Event,
    FileDeleted,
    Ignored,
    MessageChanged,
    MessageDeleted,
    MessagePosted,
    MessagesTabOpened,
    SessionStopped,
)
from bot.messages.message import BotIdentity, Message, read_slack_id, read_subtype, read_user
from bot.messages.votes.reactions import parse_reaction
from contract.job import TIMESTAMP_PATTERN, Thread

QUESTION_SUBTYPES: Final = frozenset(
    {"", "thread_broadcast", "file_share", "bot_message", "me_message"}
)
"""Subtypes of messages that may be questions."""
CLIENT_MSG_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


def parse_event(body: Json, identity: BotIdentity) -> Event:
    """Parse the body of an `event_callback`; a malformed event becomes an unreadable `Ignored`."""
    try:
        return _parse_by_type(get_mapping(body, "event"), body, identity)
    except (ValidationError, KeyError):
        return Ignored(readable=False)


def _parse_by_type(event: Json, body: Json, identity: BotIdentity) -> Event:
    match event.get("type"):
        case "message" | "app_mention":
            return _parse_message(event, body, identity)
        case "reaction_added" | "reaction_removed":
            return parse_reaction(event, _read_team(body, identity), identity)
        case "agent_session_stopped":
            thread_ts, channel = event["thread_ts"], event["channel"]
            thread = Thread(team=_read_team(body, identity), channel=channel, ts=thread_ts)
            return SessionStopped(thread=thread, user=event["user"])
        case "channel_id_changed":
            return ChannelMoved(old=event["old_channel_id"], new=event["new_channel_id"])
        case str():
            return _parse_app_event(event, _read_team(body, identity), identity)
        case name:
            return Ignored(readable=name is not None)


def _parse_app_event(event: Json, team: str, identity: BotIdentity) -> Event:
    match event["type"]:
        case "app_home_opened":
            return _parse_home_opened(event, team)
        case "app_uninstalled":
            return AppUninstalled(team=team)
        case "file_deleted":
            return FileDeleted(team=team, file=event["file_id"])
        case "member_joined_channel" if event["user"] == identity.user_id:
            return BotInvited(
                team=team, channel=event["channel"], inviter=event.get("inviter") or ""
            )
        case "tokens_revoked":
            return _parse_tokens_revoked(event, team)
        case _:
            return Ignored()


def _parse_home_opened(event: Json, team: str) -> Event:
    match event.get("tab"):
        case "home":
            return AppHomeOpened(team=team, user=event["user"])
        case "messages":
            return MessagesTabOpened(team=team, user=event["user"], channel=event["channel"])
        case _:
            return Ignored()


def _parse_tokens_revoked(event: Json, team: str) -> Event:
    bots = get_mapping(event, "tokens").get("bot")
    return AppUninstalled(team=team) if bots else Ignored()


def _parse_message(event: Json, body: Json, identity: BotIdentity) -> Event:
    team = _read_team(body, identity)
    match event.get("subtype"):
        case "message_changed":
            return _parse_change(event, body, team, identity)
        case "message_deleted":
            return _parse_deletion(event, event["deleted_ts"], team)
        case _:
            return _parse_new_message(event, body, team, identity)


def _parse_new_message(event: Json, body: Json, team: str, identity: BotIdentity) -> MessagePosted:
    post = _parse_own_content(event, body, team, identity)
    asked = AskedMessage.from_slack(event) if post.is_own else None
    return post if asked is None else _as_question_of(asked, post, identity)


def _as_question_of(
    asked: AskedMessage, post: MessagePosted, identity: BotIdentity
) -> MessagePosted:
    """Return a message that the bot posted for a person as that person's question."""
    return post.model_copy(
        update={
            "asked": asked,
            "author": asked.user,
            "author_team": asked.user_team,
            "can_ask": True,
            "is_own": False,
            "mentions": frozenset({identity.user_id}),
            "bot_ids": frozenset(),
            "is_external": asked.user_team != identity.team,
        }
    )


def _parse_own_content(event: Json, body: Json, team: str, identity: BotIdentity) -> MessagePosted:
    user_team = next((t for t in map(event.get, ("user_team", "source_team", "team")) if t), None)
    is_own = identity.is_author_of(event)
    # Slack sends `app_mention` again when the message is edited: an edit is no new question.
    is_old = event.get("hidden") is True or _is_timestamp(get_mapping(event, "edited").get("ts"))
    message = Message.from_slack(event, identity)
    can_ask = not (is_own or is_old or message is None) and read_subtype(event) in QUESTION_SUBTYPES
    profile = get_mapping(event, "user_profile")
    thread = _read_thread(team, event["channel"], event)
    return MessagePosted(
        thread=thread,
        ts=event["ts"],
        channel_type=_read_channel_type(event),
        author=read_user(event) or read_slack_id(event.get("bot_id")),
        author_team=read_slack_id(user_team) or team,
        text="" if message is None else message.text,
        message=message,
        can_ask=can_ask,
        is_own=is_own,
        mentions=_find_mentions(event, message),
        bot_ids=_collect_bot_ids(event),
        client_msg_id=_read_client_msg_id(event),
        is_thread_reply=event["ts"] != thread.ts,
        is_external=bool(body.get("is_ext_shared_channel")) and user_team != team,
        is_guest=bool(profile.get("is_restricted") or profile.get("is_ultra_restricted")),
        is_public=_read_publicity(event, body),
    )


def _find_mentions(raw: Json, message: Message | None) -> frozenset[str]:
    """Return the users whom the author mentions; other people's words attached do not count."""
    # An app may mention the bot in `text` alone, for which Slack sends `app_mention`.
    texts = (get_text(raw, "text"), message.text if message is not None else "")
    return frozenset(user for text in texts for user in mrkdwn.find_mentions(text))


def _read_client_msg_id(event: Json) -> str | None:
    found = get_text(event, "client_msg_id")
    return found if CLIENT_MSG_ID.fullmatch(found) else None


def _collect_bot_ids(event: Json) -> frozenset[str]:
    if not event.get("bot_id") and event.get("subtype") != "bot_message":
        return frozenset()
    ids = (event.get("bot_id"), event.get("app_id"), event.get("user"))
    return frozenset(str(found) for found in ids if found) or frozenset({"?"})


def _parse_change(event: Json, body: Json, team: str, identity: BotIdentity) -> Event:
    raw, before = get_mapping(event, "message"), get_mapping(event, "previous_message")
    if raw.get("subtype") == "tombstone":
        # Slack turns a deleted root that has replies into a tombstone.
        return _parse_deletion(event, raw["ts"], team)
    thread = _read_thread(team, event["channel"], raw)
    message, is_own = Message.from_slack(raw, identity), identity.is_author_of(raw)
    previous = Message.from_slack(before, identity)
    is_persons = message is not None and not is_own
    is_edit = message is not None and not is_own and _is_edited(raw, message, before, previous)
    is_new_mention = is_edit and identity.user_id not in _find_mentions(before, previous)
    return MessageChanged(
        thread=thread,
        ts=raw["ts"],
        version=_read_version(event, raw),
        message=message,
        is_own=is_own,
        is_edit=is_edit,
        is_unfurl=is_persons and not is_edit and message != previous,
        question=_parse_edited_question(event, body, team, identity) if is_new_mention else None,
    )


def _is_edited(raw: Json, message: Message, before: Json, previous: Message | None) -> bool:
    """Return whether the author changed a message; Slack adds previews and blocks by itself."""
    if previous is None:
        return True
    texts = (message.text, previous.text)
    if bool(list_mappings(raw, "blocks")) != bool(list_mappings(before, "blocks")):
        texts = (get_text(raw, "text"), get_text(before, "text"))
    files_before = (*previous.files, *_list_files(previous, _find_deleted_files(raw)))
    return texts[0] != texts[1] or (*message.files, *_list_files(message)) != files_before


def _list_files(message: Message, deleted_files: Collection[str] = ()) -> list[str]:
    return [file.id for file in message.references if file.id not in deleted_files]


def _find_deleted_files(raw: Json) -> frozenset[str]:
    """Return the files whose deletion changed a message: that is no edit of its question."""
    files = list_mappings(raw, "files")
    return frozenset(get_text(file, "id") for file in files if file.get("mode") == "tombstone")


def _parse_edited_question(
    event: Json, body: Json, team: str, identity: BotIdentity
) -> MessagePosted | None:
    """Return an edited message as a new one; `None` if it does not mention the bot."""
    raw = {
        **{name: value for name, value in event["message"].items() if name != "edited"},
        "channel": event["channel"],
        "channel_type": event.get("channel_type"),
    }
    post = _parse_new_message(raw, body, team, identity)
    if not post.can_ask or identity.user_id not in post.mentions:
        return None
    return post


def _parse_deletion(event: Json, ts: str, team: str) -> MessageDeleted:
    before = get_mapping(event, "previous_message")
    thread = _read_thread(team, event["channel"], {"ts": ts, "thread_ts": before.get("thread_ts")})
    return MessageDeleted(thread=thread, ts=ts, version=_read_version(event, {"ts": ts}))


def _read_version(event: Json, message: Json) -> str:
    """Return the time of a change, by the best field that holds one."""
    edited = get_mapping(message, "edited")
    found = (event.get("event_ts"), event.get("ts"), edited.get("ts"), message["ts"])
    return next((str(ts) for ts in found if _is_timestamp(ts)), str(message["ts"]))


def _read_thread(team: str, channel: str, message: Json) -> Thread:
    root = message.get("thread_ts")
    ts = str(root) if _is_timestamp(root) else message["ts"]
    return Thread(team=team, channel=channel, ts=ts)


def _is_timestamp(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(TIMESTAMP_PATTERN, value) is not None


def _read_channel_type(event: Json) -> ChannelType:
    channel_type = event.get("channel_type")
    if channel_type == "mpim":
        return ChannelType.MPIM
    is_im = channel_type == "im" or str(event["channel"]).startswith("D")
    return ChannelType.IM if is_im else ChannelType.CHANNEL


def _read_publicity(event: Json, body: Json) -> bool | None:
    """Return whether a channel is public; Slack leaves the type out of an `app_mention`."""
    channel_type = event.get("channel_type")
    if not isinstance(channel_type, str) or not channel_type:
        return None
    return channel_type == "channel" and body.get("is_ext_shared_channel") is False


def _read_team(body: Json, identity: BotIdentity) -> str:
    """Return the team that the event is for: by Slack's reference, the first authorization."""
    teams = [entry.get("team_id") for entry in list_mappings(body, "authorizations")[:1]]
    teams.append(body.get("team_id"))
    return next((team for team in map(read_slack_id, teams) if team), identity.team)
