"""Ask request: what a person asks by a form or a command, before it is a message."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.messages.asks.asked_message import MAX_QUESTION_CHARACTERS, REQUEST_PATTERN, AskedMessage
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread

Id = Annotated[str, Field(pattern=SLACK_ID_PATTERN, max_length=64)]
OptionalId = Annotated[str, Field(pattern=rf"{SLACK_ID_PATTERN}|^$", max_length=64)]
OptionalTimestamp = Annotated[str, Field(pattern=rf"{TIMESTAMP_PATTERN}|^$", max_length=32)]


class AskKind(StrEnum):
    """Way in which a person asks."""

    ABOUT = "about"
    """By the shortcut of a message, into its thread."""
    PRIVATE = "private"
    """By `/starchat ask`, into the direct message with the bot."""
    SHARED = "shared"
    """By *Share in channel*: the question is posted there, and the answer is known."""


class AskRequest(BaseModel):
    """
    Question of `user` to post into `channel`: into the thread at `thread_ts`, or as a new root.

    `about` is the message that an `ABOUT` question is about. `origin` is the channel in which a
    `PRIVATE` one was asked. A root was posted at `since` or later (Slack's time).
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=REQUEST_PATTERN)
    kind: AskKind
    team: Id
    channel: Id
    user: Id
    user_team: Id
    question: str = Field(min_length=1, max_length=MAX_QUESTION_CHARACTERS)
    thread_ts: OptionalTimestamp = ""
    about: OptionalTimestamp = ""
    origin: OptionalId = ""
    since: OptionalTimestamp = ""

    @property
    def asked_message(self) -> AskedMessage:
        """The question as the bot posts it."""
        return AskedMessage(
            request=self.id,
            user=self.user,
            user_team=self.user_team,
            about=self.about,
            question=self.question,
        )

    def find_thread(self, ts: str) -> Thread:
        """Return the thread of the question that was posted at `ts`."""
        return Thread(team=self.team, channel=self.channel, ts=self.thread_ts or ts)

    @classmethod
    def from_json(cls, encoded: bytes | str) -> Self | None:
        """Parse what `model_dump_json` returned; `None` if it is malformed."""
        try:
            return cls.model_validate_json(encoded)
        except ValidationError:
            return None
