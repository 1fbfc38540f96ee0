"""Ask request: what a person asks by a form, before it is a message."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.messages.asks.asked_message import MAX_QUESTION_CHARACTERS, REQUEST_PATTERN, AskedMessage
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread


class AskRequest(BaseModel):
    """Question of `user` about the message at `about`, to be posted into its thread."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=REQUEST_PATTERN)
    thread: Thread
    about: str = Field(pattern=TIMESTAMP_PATTERN, max_length=32)
    user: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    user_team: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    question: str = Field(min_length=1, max_length=MAX_QUESTION_CHARACTERS)

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

    @classmethod
    def from_json(cls, encoded: bytes | str) -> Self | None:
        """Parse what `model_dump_json` returned; `None` if it is malformed."""
        try:
            return cls.model_validate_json(encoded)
        except ValidationError:
            return None
