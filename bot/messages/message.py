"""Message of a thread as the bot caches it, and the bot's identity in the workspace."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from bot.messages.asks.asked_message import AskedMessage
from bot.messages.content.json_fields import Json, get_mapping, get_text, list_mappings
from bot.messages.content.reader import read_content
from bot.messages.content.rich_text import to_markdown
from bot.messages.mrkdwn import escape_text, replace_surrogates
from contract.attached_files import MAX_PREVIEW_CHARACTERS, FileReference
from contract.authorship import AppAuthor
from contract.job import SLACK_ID_PATTERN
from contract.keys import METADATA_EVENT_TYPE
from contract.masking import SecretKind, SecretMasker, list_masked_kinds

TEXT_SUBTYPES: Final = frozenset(
    {"", "thread_broadcast", "file_share", "bot_message", "me_message"}
)
"""Subtypes of messages with text to read; joins and other service messages are ignored."""

FINAL_STATE: Final = "final"
"""Metadata state of a complete reply; in any other state it is no turn yet."""
POINTER_STATE: Final = "pointer"
"""Metadata state of a reply that only points to an earlier answer: it is no turn."""

SERVICE_USERS: Final = frozenset({"USLACK", "USLACKBOT"})
"""Users whose messages Slack itself writes."""

UNKNOWN_USER: Final = "UNKNOWN"
"""Author of a message whose user id has an unexpected form."""


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """
    The bot in its workspace: its team, its user and bot ids, and its display name.

    `url` is the workspace's address with a slash at its end; empty if it is unknown.
    """

    team: str
    user_id: str
    bot_id: str
    name: str
    url: str = ""

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

    `text` is Slack's mrkdwn for people and bots, and Markdown for the bot's own replies.
    `attachments` holds the words below it: forwarded messages and previews. `references` are its
    files that a worker may read, `files` the names of others. `part` and
    `question_ts` are set for replies only, `name` for bots. `about` is the `ts` of the message that
    a question of a message shortcut is about. `masked` are the kinds of secrets that were masked
    in its texts, before anything else could read them. `can_be_person` is set if an app posted
    for a user who may be a person: only the user's profile tells.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    ts: str
    kind: AuthorKind
    author: str
    text: str
    attachments: str = ""
    name: str | None = None
    files: tuple[str, ...] = ()
    references: tuple[FileReference, ...] = ()
    part: int = 1
    question_ts: str | None = None
    can_be_person: bool = False
    about: str = ""
    masked: tuple[SecretKind, ...] = ()

    @classmethod
    def from_slack(cls, raw: Json, identity: BotIdentity) -> Self | None:
        """Parse a message of Slack's and mask its secrets; `None` if no conversation needs it."""
        message = cls._parse(raw, identity)
        return None if message is None else message.with_masked_secrets()

    @classmethod
    def _parse(cls, raw: Json, identity: BotIdentity) -> Self | None:
        if not isinstance(raw.get("ts"), str) or read_subtype(raw) not in TEXT_SUBTYPES:
            return None
        if identity.is_author_of(raw):
            return cls._parse_asked(raw) or cls._parse_reply(raw, identity)
        if raw.get("bot_id") or raw.get("subtype") == "bot_message":
            return cls._parse_bot_message(raw)
        return cls._parse_person_message(raw)

    @classmethod
    def _parse_asked(cls, raw: Json) -> Self | None:
        asked = AskedMessage.from_slack(raw)
        if asked is None:
            return None
        text = escape_text(replace_surrogates(asked.question))
        return cls(
            ts=raw["ts"],
            kind=AuthorKind.PERSON,
            author=asked.user,
            text=text,
            about=asked.about,
            masked=list_masked_kinds(text),
        )

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
            text=replace_surrogates(to_markdown(list_mappings(raw, "blocks"))),
            part=part if isinstance(part, int) else 1,
            question_ts=question,
        )

    @classmethod
    def _parse_bot_message(cls, raw: Json) -> Self:
        user = read_user(raw)
        bot = get_text(raw, "bot_id")
        profile_name = get_text(get_mapping(raw, "bot_profile"), "name")
        content = read_content(raw)
        return cls(
            ts=raw["ts"],
            kind=AuthorKind.BOT,
            author=user or bot,
            name=replace_surrogates(get_text(raw, "username") or profile_name or bot or user),
            text=replace_surrogates(content.text),
            attachments=replace_surrogates(content.attachments),
            files=tuple(map(replace_surrogates, content.files)),
            references=content.references,
            can_be_person=user not in {"", UNKNOWN_USER},
        )

    @classmethod
    def _parse_person_message(cls, raw: Json) -> Self | None:
        user = read_user(raw)
        if not user:
            return None
        content = read_content(raw)
        return cls(
            ts=raw["ts"],
            kind=AuthorKind.PERSON,
            author=user,
            text=replace_surrogates(content.text),
            attachments=replace_surrogates(content.attachments),
            files=tuple(map(replace_surrogates, content.files)),
            references=content.references,
        )

    def with_masked_secrets(self) -> Self:
        """Return the message with the secrets in its texts masked, and their kinds."""
        masker, is_escaped = SecretMasker(), self.kind is not AuthorKind.REPLY
        text = masker.mask_text(self.text, escape=is_escaped)
        attachments = masker.mask_text(self.attachments, escape=is_escaped)
        references = tuple(
            file.model_copy(
                update={"preview": masker.mask_text(file.preview)[:MAX_PREVIEW_CHARACTERS]}
            )
            for file in self.references
        )
        if not masker.kinds:
            return self
        update = {"text": text, "attachments": attachments, "references": references}
        return self.model_copy(update={**update, "masked": masker.kinds})

    @property
    def all_text(self) -> str:
        """The text and all that is attached to it."""
        return "\n\n".join(part for part in (self.text, self.attachments) if part.strip())

    def as_person(self) -> Self:
        """Return an app's message as one of the person for whom the app posted it."""
        update = {"kind": AuthorKind.PERSON, "name": None, "can_be_person": False}
        return self.model_copy(update=update)


def read_subtype(raw: Json) -> str:
    """Return the subtype of a message; empty if it has none."""
    subtype = raw.get("subtype")
    return subtype if isinstance(subtype, str) else ""


def read_user(raw: Json) -> str:
    """Return the id of a message's user; empty if it has none or Slack itself wrote it."""
    user = raw.get("user")
    if not isinstance(user, str) or not user or user in SERVICE_USERS:
        return ""
    return read_slack_id(user) or UNKNOWN_USER


def read_slack_id(value: object) -> str:
    """Return a Slack id; empty if the value is none."""
    return value if isinstance(value, str) and re.fullmatch(SLACK_ID_PATTERN, value) else ""


def read_metadata(raw: Json) -> Json:
    """Return the payload of the bot's own metadata; empty if a message has none."""
    metadata = get_mapping(raw, "metadata")
    is_own = metadata.get("event_type") == METADATA_EVENT_TYPE
    return get_mapping(metadata, "event_payload") if is_own else {}
