"""Answers as Redis keeps them: the text of each reply, and what it takes to work on it further."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract import keys

PREVIOUS_SUFFIX: Final = ":previous"
"""Ends the field of the version that a reply had before its present one."""

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
"""Id of a token in any vocabulary."""


class Answer(BaseModel):
    """
    An answer, and the generated token ids if they decode to exactly this text.

    `reply_id` names this version of the reply. `facts` and `details` are JSON: what its rendering
    needs, and how it was generated. `prompt_digest` tells whether two prompts are equal. A reply
    that was cut has `prompt_ids` and `cut_ids`: with them, the same turn can go further.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    text: str
    token_ids: tuple[TokenId, ...] = ()
    reply_id: str = Field(default="", pattern=r"^[0-9a-f]{0,16}$")
    facts: str = ""
    details: str = ""
    prompt_digest: str = ""
    prompt_ids: tuple[TokenId, ...] = ()
    cut_ids: tuple[TokenId, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether the reply ended before the model ended it, and can go further."""
        return bool(self.prompt_ids and self.cut_ids)

    def to_job_fields(self) -> dict[str, str]:
        """Return the fields of a job's hash that give the job this answer."""
        return {
            keys.ANSWER: self.text,
            keys.ANSWER_IDS: self.model_copy(
                update={"text": "", "facts": "", "details": ""}
            ).model_dump_json(),
            keys.ANSWER_FACTS: self.facts,
            keys.ANSWER_DETAILS: self.details,
        }

    @classmethod
    def from_json(cls, entry: str | bytes | None) -> Self | None:
        """Parse an entry; `None` if there is none, or another version wrote it."""
        try:
            return None if entry is None else cls.model_validate_json(entry)
        except ValidationError:
            return None


def previous_field(question_ts: str) -> str:
    """Return the field of an answer cache with the version before the present one."""
    return question_ts + PREVIOUS_SUFFIX
