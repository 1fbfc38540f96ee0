"""Answers as Redis keeps them: the text of each reply, and what it takes to work on it further."""

import json
from collections.abc import Iterable
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract import keys
from contract.earlier_answer import EarlierAnswer
from contract.reply_rules import MAX_CANDIDATES

PREVIOUS_SUFFIX: Final = ":previous"
"""Ends the field of the version that a reply had before its present one."""

UNCOVERED_FACT: Final = "is_uncovered"
"""Fact about a covered answer: the person who asked wants to see it. Others may not."""

MAX_CANDIDATES_BYTES: Final = 64 * 1024
"""
Bytes of all candidates of one answer as JSON; further ones are not kept.

The facts and details of one that was shown come on top: they are known later.
"""

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
"""Id of a token in any vocabulary."""


class AnswerVersion(BaseModel):
    """
    One text of a reply, and the generated token ids if they decode to exactly this text.

    `reply_id` names this version of the reply. `facts` and `details` are JSON: what its rendering
    needs, and how it was generated. `prompt_digest` tells whether two prompts are equal.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    text: str
    token_ids: tuple[TokenId, ...] = ()
    reply_id: str = Field(default="", pattern=r"^[0-9a-f]{0,16}$")
    facts: str = ""
    details: str = ""
    prompt_digest: str = ""


class Answer(AnswerVersion):
    """
    An answer. One that was cut has `prompt_ids` and `cut_ids`, with which the turn can go further.

    `others` are candidates that were generated beside it, the next one to show first. `is_covered`
    is whether readers see a notice in place of its text. A reply that only points to an
    `earlier_answer` has no text: it is no turn of a conversation.
    """

    prompt_ids: tuple[TokenId, ...] = ()
    cut_ids: tuple[TokenId, ...] = ()
    others: tuple[AnswerVersion, ...] = Field(default=(), max_length=MAX_CANDIDATES - 1)
    is_covered: bool = False
    earlier_answer: EarlierAnswer | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the reply ended before the model ended it, and can go further."""
        return bool(self.prompt_ids and self.cut_ids)

    def as_version(self) -> AnswerVersion:
        """Return the text without its other candidates, and without what a cut one needs."""
        return AnswerVersion(**{name: getattr(self, name) for name in AnswerVersion.model_fields})

    def add_others(self, others: Iterable[AnswerVersion]) -> "Answer":
        """Return the answer with the first of these candidates that Redis has room for."""
        kept: list[AnswerVersion] = []
        free_bytes = MAX_CANDIDATES_BYTES - len(self.as_version().model_dump_json().encode())
        for other in others:
            free_bytes -= len(other.model_dump_json().encode())
            if free_bytes < 0:
                break
            kept.append(other)
        return self.model_copy(update={"others": tuple(kept)})

    def show_next(self) -> "Answer | None":
        """Return the next candidate as the answer, with this one as the last of the others."""
        if not self.others:
            return None
        following, *others = self.others
        return Answer(**dict(following), others=(*others, self.as_version()))

    def to_job_fields(self) -> dict[str, str]:
        """
        Return the fields of the hash of a job that shows this answer to other people.

        If the answer is covered because of its wording, it is for them too.
        """
        return {
            keys.ANSWER: self.text,
            keys.ANSWER_IDS: self.model_copy(
                update={"text": "", "facts": "", "details": ""}
            ).model_dump_json(),
            keys.ANSWER_FACTS: _drop_fact(self.facts, UNCOVERED_FACT),
            keys.ANSWER_DETAILS: self.details,
        }

    @classmethod
    def from_json(cls, entry: str | bytes | None) -> Self | None:
        """Parse an entry; `None` if there is none, or another version wrote it."""
        try:
            return None if entry is None else cls.model_validate_json(entry)
        except ValidationError:
            return None


def _drop_fact(facts: str, name: str) -> str:
    """Return facts in JSON without one of them; unchanged if they are not readable."""
    try:
        found = json.loads(facts)
    except ValueError:
        return facts
    if not isinstance(found, dict) or name not in found:
        return facts
    return json.dumps({other: value for other, value in found.items() if other != name})


def previous_field(question_ts: str) -> str:
    """Return the field of an answer cache with the version before the present one."""
    return question_ts + PREVIOUS_SUFFIX
