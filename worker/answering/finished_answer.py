"""Finished answer: the model's text with the facts that its message states."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from contract import keys
from contract.conversation import Speaker
from contract.job import Job
from worker import render
from worker.answering.answer_cache import Answer
from worker.jobs.job_state import ANSWER_FACTS, JobProgress
from worker.render import Part, ReplyFacts


@dataclass(frozen=True, slots=True)
class FinishedAnswer:
    """An answer that is saved, or about to be."""

    answer: Answer
    facts: ReplyFacts

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
        return cls(Answer(text=progress.answer), facts)

    def to_fields(self) -> dict[str, str]:
        """Return the fields of the job hash. The conversation stays in the job itself."""
        facts = asdict(self.facts)
        del facts["conversation_texts"]
        return {keys.ANSWER: self.text, ANSWER_FACTS: json.dumps(facts)}

    def compose_parts(self) -> tuple[Part, ...]:
        """Render the answer as messages and files for Slack."""
        return render.compose_final(self.text, facts=self.facts)


def collect_trusted_texts(job: Job) -> tuple[str, ...]:
    """Return what people wrote. Only an address in these texts may become a link."""
    return tuple(turn.text for turn in job.turns if turn.speaker is Speaker.USER)
