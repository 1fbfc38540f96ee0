"""Finished answer: the text of a reply with its facts, as the job's hash keeps it."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Self

import structlog

from contract import keys
from contract.conversation import Speaker
from contract.job import Job
from contract.reply_details import ReplyDetails
from worker.answering.answer_cache import Answer
from worker.jobs.job_state import ANSWER_DETAILS, ANSWER_FACTS, JobProgress
from worker.render import ReplyFacts

log = structlog.get_logger()

REPLY_ID_BYTES = 6
"""Bytes of a reply's id."""


@dataclass(frozen=True, slots=True)
class FinishedAnswer:
    """An answer that is saved, or about to be."""

    answer: Answer
    facts: ReplyFacts
    details: ReplyDetails = field(default_factory=ReplyDetails)

    @property
    def text(self) -> str:
        """The answer as the model wrote it; empty if stopped before its first text."""
        return self.answer.text

    @classmethod
    def from_progress(cls, job: Job, progress: JobProgress) -> Self | None:
        """Restore the answer that an earlier execution saved, if there is one."""
        if progress.answer is None:
            return None
        fields = json.loads(progress.answer_facts or "{}")
        facts = ReplyFacts(**fields, conversation_texts=collect_trusted_texts(job))
        return cls(Answer(text=progress.answer), facts, parse_details(progress.answer_details))

    def to_fields(self) -> dict[str, str]:
        """Return the fields of the job hash. The conversation stays in the job itself."""
        facts = asdict(self.facts)
        del facts["conversation_texts"]
        return {
            keys.ANSWER: self.text,
            ANSWER_FACTS: json.dumps(facts),
            ANSWER_DETAILS: self.details.to_value(),
        }


def parse_details(text: str | None) -> ReplyDetails:
    """Parse what `ReplyDetails.to_value` returned; empty details for anything else."""
    try:
        return ReplyDetails.from_value(text or "{}")
    except ValueError:
        log.warning("details not readable")
        return ReplyDetails()


def create_reply_id() -> str:
    """Return a new id for a version of a reply."""
    return secrets.token_hex(REPLY_ID_BYTES)


def collect_trusted_texts(job: Job) -> tuple[str, ...]:
    """Return what people wrote. Only an address in these texts may become a link."""
    return tuple(turn.text for turn in job.turns if turn.speaker is Speaker.USER)
