"""Finished answer: the text of a reply with its facts, as the job's hash keeps it."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Final, Self

import structlog

from contract import keys
from contract.answers import Answer
from contract.conversation import Speaker
from contract.job import Job
from contract.reply_details import ReplyDetails
from worker.jobs.job_state import JobProgress
from worker.render import ReplyFacts

log = structlog.get_logger()

REPLY_ID_BYTES: Final = 6
"""Bytes of a reply's id."""


@dataclass(frozen=True, slots=True)
class FinishedAnswer:
    """An answer that is saved, or about to be."""

    answer: Answer
    facts: ReplyFacts
    details: ReplyDetails = field(default_factory=ReplyDetails)
    note: str = ""
    """What happened to the reply, in a sentence below its first message."""

    @property
    def text(self) -> str:
        """The answer as the model wrote it; empty if stopped before its first text."""
        return self.answer.text

    @property
    def is_pointer(self) -> bool:
        """Whether the reply only points to an earlier answer."""
        return self.answer.earlier_answer is not None

    @property
    def is_cut(self) -> bool:
        """Whether the reply can go further."""
        return self.answer.is_cut

    @classmethod
    def from_progress(cls, job: Job, progress: JobProgress) -> Self | None:
        """Restore the answer that an earlier execution saved, if there is one."""
        if progress.answer is None:
            return None
        facts = _parse_facts(job, progress.answer_facts)
        answer = Answer.from_json(progress.answer_ids) or Answer(text="")
        answer = answer.model_copy(update={"text": progress.answer})
        return cls(answer, facts, parse_details(progress.answer_details))

    @classmethod
    def from_stored_answer(cls, job: Job, answer: Answer) -> Self:
        """Restore a version of the reply to a job that the thread's cache keeps."""
        details = parse_details(answer.details)
        return cls(answer, _parse_facts(job, answer.facts), details)

    def to_fields(self) -> dict[str, str]:
        """Return the fields of the job hash. The conversation stays in the job itself."""
        return {
            keys.ANSWER: self.text,
            keys.ANSWER_IDS: self.answer.model_copy(update={"text": ""}).model_dump_json(),
            keys.ANSWER_FACTS: self._dump_facts(),
            keys.ANSWER_DETAILS: self.details.to_value(),
        }

    def to_stored_answer(self, *, is_covered: bool = False) -> Answer:
        """Return the answer with its facts and details, for the thread's cache."""
        update = {
            "is_covered": is_covered,
            "reply_id": self.details.reply_id,
            "facts": self._dump_facts(),
            "details": self.details.to_value(),
        }
        return self.answer.model_copy(update=update)

    def _dump_facts(self) -> str:
        facts = asdict(self.facts)
        for name in ("conversation_texts", "language"):
            del facts[name]
        return json.dumps(facts)


def _parse_facts(job: Job, text: str | None) -> ReplyFacts:
    """Parse what `FinishedAnswer` wrote; unknown facts for anything else."""
    texts = collect_trusted_texts(job)
    try:
        facts = json.loads(text or "{}")
        return ReplyFacts(**facts, conversation_texts=texts, language=job.language)
    except (ValueError, TypeError):
        log.warning("facts not readable")
        return ReplyFacts("", "stop", 0, conversation_texts=texts, language=job.language)


def present_facts(job: Job, present: Answer | None) -> ReplyFacts:
    """Return the facts of the reply that a job works on."""
    return _parse_facts(job, None if present is None else present.facts)


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
