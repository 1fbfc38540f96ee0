"""Earlier answer: where a question like this one was answered, and for how many the code ran."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

MAX_NAME_CHARACTERS: Final = 80
"""Characters of a display name, as Slack limits it."""
MAX_PERMALINK_CHARACTERS: Final = 512
MAX_UNIX_SECONDS: Final = 253_402_300_799
"""The last second that a calendar date can be written for: the end of the year 9999."""


class EarlierAnswer(BaseModel):
    """
    A colleague's earlier question that was answered, and whose answer people marked "ran".

    `author_name` is literal text, never a mention. `asked_at` is in Unix seconds. `permalink` is
    Slack's address of the reply.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    author_name: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS)
    asked_at: int = Field(ge=0, le=MAX_UNIX_SECONDS)
    num_ran: int = Field(ge=1)
    permalink: str = Field(pattern=r"^https?://[!-;=?-{}~]+$", max_length=MAX_PERMALINK_CHARACTERS)
