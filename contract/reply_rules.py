"""Reply rules: a channel's choices for its replies, which travel in the job."""

import unicodedata
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_PROMPT_TOKENS: Final = 400
"""Tokens of a channel's prompt; the worker leaves out the rest and says so."""
MAX_PROMPT_CHARACTERS: Final = 2_000
"""Characters of a channel's prompt: about five for each token, as in English text."""
MIN_REPLY_TOKENS: Final = 16
MAX_REPLY_TOKENS: Final = 8_191
MAX_TEMPERATURE: Final = 2.0
MAX_TOP_K: Final = 1_000
MAX_CANDIDATES: Final = 4
"""Texts that are generated for one reply."""
LINE_BREAKS_AND_TABS: Final = "\n\t"


class ReplyRules(BaseModel):
    """
    Choices of one channel; `None` leaves a choice to the operator.

    `prompt` follows the operator's system prompt. The worker keeps the operator's bounds: a larger
    `max_new_tokens` or `temperature` has no effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(default="", max_length=MAX_PROMPT_CHARACTERS)
    max_new_tokens: int | None = Field(default=None, ge=MIN_REPLY_TOKENS, le=MAX_REPLY_TOKENS)
    temperature: float | None = Field(default=None, ge=0, le=MAX_TEMPERATURE)
    top_k: int | None = Field(default=None, ge=0, le=MAX_TOP_K)
    top_p: float | None = Field(default=None, gt=0, le=1)
    candidates: int | None = Field(
        default=None, ge=1, le=MAX_CANDIDATES, exclude_if=lambda count: count is None
    )
    """Texts to choose a reply with code from. Left out if unset, as older workers expect."""

    @field_validator("prompt")
    @classmethod
    def _refuse_control_characters(cls, text: str) -> str:
        if has_control_characters(text):
            raise ValueError("contains control characters")
        return text


NO_RULES: Final = ReplyRules()
"""The rules of a channel without any."""


def has_control_characters(text: str) -> bool:
    """Return whether a text has control characters or half characters; tabs and lines are none."""
    return any(
        unicodedata.category(character) in {"Cc", "Cs"} and character not in LINE_BREAKS_AND_TABS
        for character in text
    )
