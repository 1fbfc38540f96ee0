"""Pure: one message of a thread as the bot keeps it, slim, and only if a conversation needs it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict

from bot.messages.identity import Me
from bot.messages.mrkdwn import clean
from bot.messages.rich_text import markdown
from contract.keys import METADATA_EVENT_TYPE

Json = Mapping[str, Any]

SAID: Final = frozenset({"", "thread_broadcast", "file_share", "bot_message", "me_message"})
"""Subtypes of messages in which somebody says something; joins and the like are left out."""

FINAL: Final = "final"
"""The state in our metadata of a reply that is complete; any other is no turn."""

ATTACHED: Final = ("pretext", "title", "text")
"""Where another bot's attachment may carry its words, in the order in which they are read."""


class Kind(StrEnum):
    """Who said it: a person, another bot, or this bot as a reply."""

    PERSON = "person"
    BOT = "bot"
    REPLY = "reply"


class Message(BaseModel):
    """
    What the bot remembers of a message.

    `text` is Slack's markup for people and bots and Markdown for our own replies. `part` and
    `answers` (the `ts` of the question) belong to replies, `name` to bots, `files` to people.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    ts: str
    kind: Kind
    author: str
    text: str
    name: str | None = None
    files: tuple[str, ...] = ()
    part: int = 1
    answers: str | None = None

    @classmethod
    def read(cls, raw: Json, me: Me) -> Self | None:
        """Read one of Slack's messages. `None` where it is nothing that a conversation needs."""
        if not isinstance(raw.get("ts"), str) or str(raw.get("subtype") or "") not in SAID:
            return None
        if me.wrote(raw):
            return cls._reply(raw, me)
        if raw.get("bot_id") or raw.get("subtype") == "bot_message":
            return cls._bot(raw)
        return cls._person(raw)

    @classmethod
    def _reply(cls, raw: Json, me: Me) -> Self | None:
        said = payload(raw)
        question = said.get("question")
        if said.get("state") != FINAL or not isinstance(question, str):
            return None
        part = said.get("part")
        return cls(
            ts=raw["ts"],
            kind=Kind.REPLY,
            author=me.user,
            text=clean(markdown(_listed(raw, "blocks"))),
            part=part if isinstance(part, int) else 1,
            answers=question,
        )

    @classmethod
    def _bot(cls, raw: Json) -> Self:
        profile = raw.get("bot_profile")
        profile = profile if isinstance(profile, Mapping) else {}
        author = str(raw.get("bot_id") or raw.get("user") or "")
        name = str(raw.get("username") or profile.get("name") or author)
        return cls(
            ts=raw["ts"], kind=Kind.BOT, author=author, name=clean(name), text=clean(_words(raw))
        )

    @classmethod
    def _person(cls, raw: Json) -> Self | None:
        user = raw.get("user")
        if not isinstance(user, str) or user in {"USLACK", "USLACKBOT"}:
            return None
        files = (f.get("name") or f.get("title") or "" for f in _listed(raw, "files"))
        return cls(
            ts=raw["ts"],
            kind=Kind.PERSON,
            author=user,
            text=clean(str(raw.get("text") or "")),
            files=tuple(clean(str(name)) for name in files if name),
        )


def payload(raw: Json) -> Json:
    """Return what our metadata says of a message, empty where it is none of ours."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != METADATA_EVENT_TYPE:
        return {}
    said = metadata.get("event_payload")
    return said if isinstance(said, Mapping) else {}


def _listed(raw: Json, name: str) -> Sequence[Json]:
    found = raw.get(name)
    return [e for e in found if isinstance(e, Mapping)] if isinstance(found, list) else []


def _words(raw: Json) -> str:
    text = str(raw.get("text") or "")
    if text.strip():
        return text
    for attachment in _listed(raw, "attachments"):
        found = [str(attachment[key]) for key in ATTACHED if attachment.get(key)]
        if found or attachment.get("fallback"):
            return "\n".join(found) or str(attachment["fallback"])
    return markdown(_listed(raw, "blocks"))
