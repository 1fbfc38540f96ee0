"""
Details of a reply: how it was generated, carried by its message in a button's value.

Slack delivers the value back with a press. By then anyone may have written it, so each field has a
type and a bound, and a text holds printable characters only.
"""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from contract.code_verdicts import MAX_VERDICTS, CodeVerdict
from contract.reply_rules import MAX_CANDIDATES

MAX_VALUE_CHARACTERS: Final = 2_000
"""Slack's limit for the value of a button."""
MAX_COUNT: Final = 10**9
"""Largest count and duration (ms)."""
MAX_REVISION_CHARACTERS: Final = 100
"""A commit has 40, a tag or branch rarely more."""
MAX_SEED: Final = 2**32 - 1
"""Largest seed of a reply."""
MS_PER_SECOND: Final = 1000
MAX_SCORE: Final = 3
"""Score of a candidate for which all checks hold."""


def _require_printable(text: str) -> str:
    """Return the text. Raises `ValueError` for line ends, control and direction characters."""
    if not text.isprintable():
        raise ValueError("not printable")
    return text


Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Label = Annotated[str, Field(max_length=40), AfterValidator(_require_printable)]
Line = Annotated[str, Field(max_length=240), AfterValidator(_require_printable)]
Revision = Annotated[
    str, Field(max_length=MAX_REVISION_CHARACTERS), AfterValidator(_require_printable)
]


CandidateScore = Annotated[int, Field(ge=0, le=MAX_SCORE)]
CandidateIndex = Annotated[int, Field(ge=0, lt=MAX_CANDIDATES)]


class ReplyDetails(BaseModel):
    """
    How a reply was generated.

    `reply_id` names this version of the reply. `wait_ms` counts from the acceptance of the question
    to the engine's start, `first_text_ms` and `total_ms` from there. `gpu_ms` is the reply's share
    of the engine's steps, in which other replies had theirs. `shared_tokens` of the `new_tokens`
    were generated for another reply to the same prompt, and their time counts there.
    `left_out_turns` messages of the thread were not read, `shortened_turns` in part. `verdicts` are
    those of the code checks, and `hints` counts what they hinted at. `hidden_secrets` values of the
    reply were masked. `is_reproducible` is whether the engine generates the same text again from
    the same prompt and seed. If further candidates were generated, `scores` has one entry for each,
    `None` where it was left out. `candidate` is the one of this version and `chosen` the best by
    its score, from 0.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    reply_id: str = Field(default="", pattern=r"^[0-9a-f]{0,16}$")
    model: Line = ""
    revision: Revision = ""
    device: Label = ""
    dtype: Label = ""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    temperature: float = Field(default=0.0, ge=0, le=100, allow_inf_nan=False)
    top_k: Count = 0
    top_p: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    max_new_tokens: Count = 0
    prompt_tokens: Count = 0
    new_tokens: Count = 0
    shared_tokens: Count = 0
    left_out_turns: Count = 0
    shortened_turns: Count = 0
    files_read: Count = 0
    files_left_out: Count = 0
    wait_ms: Count = 0
    first_text_ms: Count = 0
    total_ms: Count = 0
    gpu_ms: Count = 0
    verdicts: tuple[CodeVerdict, ...] = Field(default=(), max_length=MAX_VERDICTS)
    verdicts_left_out: Count = 0
    hints: Count = 0
    hidden_secrets: Count = 0
    is_reproducible: bool = False
    scores: tuple[CandidateScore | None, ...] = Field(default=(), max_length=MAX_CANDIDATES)
    candidate: CandidateIndex = 0
    chosen: CandidateIndex = 0

    def to_value(self) -> str:
        """Serialize the details for a button, without what has its default."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_value(cls, value: str) -> Self:
        """Parse what `to_value` returned. Raises `ValueError`, which quotes nothing."""
        try:
            if len(value) <= MAX_VALUE_CHARACTERS:
                return cls.model_validate_json(value)
        except ValidationError:
            pass
        raise ValueError("not the details of a reply")


def derive_seed(seed: int, number: int) -> int:
    """Return the seed that is `number` after (or before) another: each candidate has the next."""
    return (seed + number) % (MAX_SEED + 1)


def shorten_line(text: str, max_characters: int = 240) -> str:
    """Return a text as one printable line, cut at `max_characters`."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    line = " ".join(shown.split())
    return line if len(line) <= max_characters else line[: max_characters - 1] + "…"


def limit_count(number: float) -> int:
    """Return a count or duration (ms) within its bounds."""
    return min(MAX_COUNT, max(0, round(number)))
