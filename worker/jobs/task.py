"""What a job is while it runs here, and the ways in which it may end."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from contract.job import Job
from worker.jobs.job_state import JobState


class Outcome(StrEnum):
    """How a job ended for its reader."""

    ANSWERED = "answered"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"
    """The question was deleted while it was being answered."""
    ABANDONED = "abandoned"
    """There was nobody to tell, or no way to."""
    ERROR_POSTED = "error_posted"
    """The thread was told why there is no reply."""
    UNSENT = "unsent"
    """Slack took none of it until the deadline."""


class RequeueError(Exception):
    """The job shall run again: it goes back to the front of the queue."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """
    `attempts` generations may fail; a question may wait `deadline` seconds for its slot.

    So many seconds after the question was taken up its reply is cut.
    """

    max_attempts: int
    deadline_seconds: float


@dataclass(slots=True)
class JobContext:
    """One execution of a job. `age` is how many seconds ago the job was accepted."""

    job: Job
    state: JobState
    age_seconds: float
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a person stops the job or deletes its question."""
    edited: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the person has edited the question, and the job holds the new text."""
    revision: str = "0"
    """Which revision of the question the job was read at, or an earlier one."""
    attempt_refundable: bool = False
    """Whether an attempt is counted that would be unfair to count if we end it now."""
