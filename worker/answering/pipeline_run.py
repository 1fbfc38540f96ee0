"""Pipeline run: one execution of a job, with its recorded progress and its message."""

from dataclasses import dataclass
from typing import Final

from contract.earlier_answer import EarlierAnswer
from contract.rework import ReworkKind
from worker.answering.answer_cache import NO_VERSIONS, ReplyVersions
from worker.answering.publishing.finished_answer import FinishedAnswer
from worker.jobs.job_context import JobContext
from worker.jobs.job_state import JobProgress
from worker.slack.reply_message import ReplyMessage

MAX_POINTER_AGE_SECONDS: Final = 300.0
"""Age of a question from which its reply names no earlier answer: that may be withdrawn by now."""


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One run of the pipeline: the execution, its recorded progress and its message."""

    context: JobContext
    progress: JobProgress
    message: ReplyMessage
    versions: ReplyVersions = NO_VERSIONS
    """Versions of the finished reply that the job works on."""

    @property
    def rework(self) -> ReworkKind | None:
        """Work on a finished reply, if the job is no question."""
        return None if self.context.job.rework is None else self.context.job.rework.kind

    @property
    def earlier_answer(self) -> EarlierAnswer | None:
        """The earlier answer to which the reply points; `None` if the model answers."""
        is_pointer = self.rework is None and not self._is_pointer_late
        return self.context.job.earlier_answer if is_pointer else None

    @property
    def saved_answer(self) -> FinishedAnswer | None:
        """The answer that an earlier execution saved, unless it is a pointer, and too late."""
        answer = FinishedAnswer.from_progress(self.context.job, self.progress)
        is_late = answer is not None and answer.is_pointer and self._is_pointer_late
        return None if is_late else answer

    @property
    def _is_pointer_late(self) -> bool:
        return self.context.age_seconds >= MAX_POINTER_AGE_SECONDS

    @property
    def is_stale(self) -> bool:
        """Whether the reply is no longer the one that the job was to work on."""
        rework, present = self.context.job.rework, self.versions.present
        has_begun = self.progress.has_run or self.progress.answer is not None
        if rework is None or has_begun:
            return False
        if present is None:
            # A pointer to an earlier answer has no text that could be lost.
            return rework.kind is not ReworkKind.ANYWAY
        return present.reply_id != rework.reply_id

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.context.job.id
