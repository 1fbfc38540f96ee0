"""Message of a thread as the bot caches it, and the bot's identity in the workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict

from bot.messages.mrkdwn import replace_surrogates
from bot.messages.rich_text import to_markdown
from contract.authorship import AppAuthor
from contract.keys import METADATA_EVENT_TYPE

Json = Mapping[str, Any]

TEXT_SUBTYPES: Final = frozenset(
    {"", "thread_broadcast", "file_share", "bot_message", "me_message"}
)
"""Subtypes of messages with text to read; joins and other service messages are ignored."""

FINAL_STATE: Final = "final"
"""Metadata state of a complete reply; in any other state it is no turn yet."""

ATTACHMENT_TEXT_FIELDS: Final = ("pretext", "title", "text")
"""Fields of another bot's attachment that may hold text, in reading order."""


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """The bot in its workspace: its team, its user and bot ids, and its display name."""

    team: str
    user_id: str
    bot_id: str
    name: str

    def is_author_of(self, raw: Json) -> bool:
        """Return whether the bot wrote a message of Slack's."""
        return AppAuthor(self.user_id, self.bot_id).is_author_of(raw)


class AuthorKind(StrEnum):
    """Author of a message: a person, another bot, or this bot with a reply."""

    PERSON = "person"
    BOT = "bot"
    REPLY = "reply"


class Message(BaseModel):
    """
    Message without what no conversation needs.

    `text` is Slack's mrkdwn for people and bots, and Markdown for the bot's own replies. `part` and
    `question_ts` are set for replies only, `name` for bots, `files` for people.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    ts: str
    kind: AuthorKind
    author: str
    text: str
    name: str | None = None
    files: tuple[str, ...] = ()
    part: int = 1
    question_ts: str | None = None

    @classmethod
    def from_slack(cls, raw: Json, identity: BotIdentity) -> Self | None:
        """Parse a message of Slack's; `None` if no conversation needs it."""
        if not isinstance(raw.get("ts"), str) or str(raw.get("subtype") or "") not in TEXT_SUBTYPES:
            return None
        if identity.is_author_of(raw):
            return cls._parse_reply(raw, identity)
        if raw.get("bot_id") or raw.get("subtype") == "bot_message":
            return cls._parse_bot_message(raw)
        return cls._parse_person_message(raw)

    @classmethod
    def _parse_reply(cls, raw: Json, identity: BotIdentity) -> Self | None:
        metadata = read_metadata(raw)
        question = metadata.get("question")
        if metadata.get("state") != FINAL_STATE or not isinstance(question, str):
            return None
        part = metadata.get("part")
        return cls(
            ts=raw["ts"],
            kind=AuthorKind.REPLY,
            author=identity.user_id,
            text=replace_surrogates(to_markdown(_read_mappings(raw, "blocks"))),
            part=part if isinstance(part, int) else 1,
            question_ts=question,
        )

    @classmethod
    def _parse_bot_message(cls, raw: Json) -> Self:
        profile = raw.get("bot_profile")
        profile = profile if isinstance(profile, Mapping) else {}
        author = str(raw.get("bot_id") or raw.get("user") or "")
        name = str(raw.get("username") or profile.get("name") or author)
        return cls(
            ts=raw["ts"],
            kind=AuthorKind.BOT,
            author=author,
            name=replace_surrogates(name),
            text=replace_surrogates(_read_bot_text(raw)),
        )

    @classmethod
    def _parse_person_message(cls, raw: Json) -> Self | None:
        user = raw.get("user")
        if not isinstance(user, str) or user in {"USLACK", "USLACKBOT"}:
            return None
        files = (f.get("name") or f.get("title") or "" for f in _read_mappings(raw, "files"))
        return cls(
            ts=raw["ts"],
            kind=AuthorKind.PERSON,
            author=user,
            text=replace_surrogates(str(raw.get("text") or "")),
            files=tuple(replace_surrogates(str(name)) for name in files if name),
        )


def read_metadata(raw: Json) -> Json:
    """Return the payload of the bot's own metadata; empty if a message has none."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != METADATA_EVENT_TYPE:
        return {}
    payload = metadata.get("event_payload")
    return payload if isinstance(payload, Mapping) else {}


def _read_mappings(raw: Json, name: str) -> Sequence[Json]:
    found = raw.get(name)
    return [e for e in found if isinstance(e, Mapping)] if isinstance(found, list) else []


def _read_bot_text(raw: Json) -> str:
    text = str(raw.get("text") or "")
    if text.strip():
        return text
    for attachment in _read_mappings(raw, "attachments"):
        found = [str(attachment[key]) for key in ATTACHMENT_TEXT_FIELDS if attachment.get(key)]
        if found or attachment.get("fallback"):
            return "\n".join(found) or str(attachment["fallback"])
    return to_markdown(_read_mappings(raw, "blocks"))
