"""Surplus of a reply: what a new version of it replaces besides its first message."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN

MAX_SURPLUS: Final = 64
"""Maximum number of messages, and of files; a reply has far fewer."""


class Surplus(BaseModel):
    """Messages (`ts`) and files (Slack's ids) of a reply besides its first message."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    messages: tuple[Annotated[str, Field(pattern=TIMESTAMP_PATTERN)], ...] = Field(
        default=(), max_length=MAX_SURPLUS
    )
    files: tuple[Annotated[str, Field(pattern=SLACK_ID_PATTERN)], ...] = Field(
        default=(), max_length=MAX_SURPLUS
    )

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        """Parse a field of a job's hash; nothing is surplus if it is malformed."""
        try:
            return cls.model_validate_json(text) if text else cls()
        except ValidationError:
            return cls()
