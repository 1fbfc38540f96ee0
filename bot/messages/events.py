"""Pure: what Slack delivers, read once into our own types; what we do not use becomes `Other`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.messages.identity import Me
from bot.messages.message import Message
from bot.messages.mrkdwn import clean
from contract.job import Thread

Json = Mapping[str, Any]

ASKING: Final = frozenset({"", "thread_broadcast", "file_share", "bot_message"})
"""Subtypes of messages that may ask something."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9]*$")]
Timestamp = Annotated[str, Field(pattern=r"^\d+\.\d+$")]
Gesture = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class Place(StrEnum):
    """What kind of conversation a channel is."""

    CHANNEL = "channel"
    DIRECT = "im"
    GROUP_DIRECT = "mpim"


class Posted(BaseModel):
    """
    A new message.

    `bots` holds every id under which its author is known as a bot and is empty for a person.
    `message` is what the thread's copy keeps of it, `gesture` names one gesture of a client.
    """

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    place: Place
    author: Id
    author_team: Id
    text: str
    message: Message | None
    asks: bool
    own: bool
    bots: frozenset[str] = frozenset()
    gesture: Gesture | None = None
    external: bool = False
    guest: bool = False

    @property
    def in_thread(self) -> bool:
        """Whether the message is a reply to another one."""
        return self.ts != self.thread.ts


class Changed(BaseModel):
    """A message that was unfurled, or `edited` by a person; `version` orders its changes."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp
    message: Message | None
    own: bool
    edited: bool = False


class Deleted(BaseModel):
    """A message that was deleted."""

    model_config = ConfigDict(frozen=True)

    thread: Thread
    ts: Timestamp
    version: Timestamp


class HomeOpened(BaseModel):
    """A person looks at the bot's Home tab."""

    model_config = ConfigDict(frozen=True)

    team: Id
    user: Id


class Uninstalled(BaseModel):
    """The workspace has removed the bot, or taken its token back."""

    model_config = ConfigDict(frozen=True)

    team: Id


class Other(BaseModel):
    """Anything else, and what cannot be read: acknowledged, and that is all."""

    model_config = ConfigDict(frozen=True)

    readable: bool = True


Event = Posted | Changed | Deleted | HomeOpened | Uninstalled | Other


def read(body: Json, me: Me) -> Event:
    """Read the body of an `event_callback`; what has not the form of an event is `Other`."""
    event = body.get("event")
    if not isinstance(event, Mapping):
        return Other(readable=False)
    try:
        return _event(event, body, me)
    except (ValidationError, KeyError, TypeError, AttributeError):
        return Other(readable=False)


def _event(event: Json, body: Json, me: Me) -> Event:
    match event.get("type"):
        case "message" | "app_mention":
            return _message(event, body, me)
        case "app_home_opened":
            return _home(event, _team(body, me))
        case "app_uninstalled":
            return Uninstalled(team=_team(body, me))
        case "tokens_revoked":
            return _revoked(event, _team(body, me))
        case _:
            return Other()


def _home(event: Json, team: str) -> Event:
    if event.get("tab") != "home":
        return Other()
    return HomeOpened(team=team, user=event["user"])


def _revoked(event: Json, team: str) -> Event:
    tokens = event.get("tokens")
    bots = tokens.get("bot") if isinstance(tokens, Mapping) else None
    return Uninstalled(team=team) if bots else Other()


def _message(event: Json, body: Json, me: Me) -> Event:
    team = _team(body, me)
    match event.get("subtype"):
        case "message_changed":
            return _changed(event, team, me)
        case "message_deleted":
            return _deleted(event, event["deleted_ts"], team)
        case _:
            return _posted(event, body, team, me)


def _posted(event: Json, body: Json, team: str, me: Me) -> Posted:
    author = str(event.get("user") or event.get("bot_id") or "")
    author_team = event.get("user_team") or event.get("source_team") or event.get("team")
    shared = bool(body.get("is_ext_shared_channel"))
    own = me.wrote(event)
    # Slack tells of a mention again when its message is edited: an edit is no new turn.
    fresh = not (own or event.get("hidden") or event.get("edited"))
    asks = fresh and (event.get("subtype") or "") in ASKING
    message = Message.read(event, me)
    profile = event.get("user_profile")
    profile = profile if isinstance(profile, Mapping) else {}
    return Posted(
        thread=_thread(team, event["channel"], event),
        ts=event["ts"],
        place=_place(event),
        author=author,
        author_team=str(author_team or team),
        text=clean(str(event.get("text") or "")),
        message=message,
        asks=asks and message is not None,
        own=own,
        bots=_bots(event),
        gesture=event.get("client_msg_id"),
        external=shared and author_team != team,
        guest=bool(profile.get("is_restricted") or profile.get("is_ultra_restricted")),
    )


def _bots(event: Json) -> frozenset[str]:
    if not event.get("bot_id") and event.get("subtype") != "bot_message":
        return frozenset()
    ids = (event.get("bot_id"), event.get("app_id"), event.get("user"))
    return frozenset(str(found) for found in ids if found) or frozenset({"?"})


def _changed(event: Json, team: str, me: Me) -> Event:
    raw = event["message"]
    if raw.get("subtype") == "tombstone":
        # A deleted root with replies stays behind as a tombstone.
        return _deleted(event, raw["ts"], team)
    message, own = Message.read(raw, me), me.wrote(raw)
    return Changed(
        thread=_thread(team, event["channel"], raw),
        ts=raw["ts"],
        version=_version(event),
        message=message,
        own=own,
        edited=message is not None and not own and not _same(event, message, me),
    )


def _same(event: Json, message: Message, me: Me) -> bool:
    """Whether a message says what it said before, as where Slack has unfurled a link in it."""
    before = event.get("previous_message")
    known = Message.read(before, me) if isinstance(before, Mapping) else None
    return known is not None and (known.text, known.files) == (message.text, message.files)


def _deleted(event: Json, ts: str, team: str) -> Deleted:
    before = event.get("previous_message")
    before = before if isinstance(before, Mapping) else {}
    thread = _thread(team, event["channel"], {"ts": ts, "thread_ts": before.get("thread_ts")})
    return Deleted(thread=thread, ts=ts, version=_version(event))


def _version(event: Json) -> str:
    return str(event.get("event_ts") or event["ts"])


def _thread(team: str, channel: str, message: Json) -> Thread:
    return Thread(team=team, channel=channel, ts=message.get("thread_ts") or message["ts"])


def _place(event: Json) -> Place:
    kind = event.get("channel_type")
    if kind == "mpim":
        return Place.GROUP_DIRECT
    direct = kind == "im" or str(event["channel"]).startswith("D")
    return Place.DIRECT if direct else Place.CHANNEL


def _team(body: Json, me: Me) -> str:
    """Return the team that the event was delivered for: the first authorization, as Slack says."""
    grants = body.get("authorizations")
    first = grants[0] if isinstance(grants, list) and grants else None
    team = first.get("team_id") if isinstance(first, Mapping) else None
    return str(team or body.get("team_id") or me.team)
