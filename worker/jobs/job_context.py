"""Job context: one execution of a job, with its lease and the signals that interrupt it."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from contract.job import Job
from worker.jobs.leases import Lease


class Outcome(StrEnum):
    """Final result of a job, as its reader sees it."""

    ANSWERED = "answered"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"
    """The question was deleted while it was being answered."""
    ABANDONED = "abandoned"
    """The thread is gone, or Slack does not let the bot post there."""
    ERROR_POSTED = "error_posted"
    """The thread shows an error message instead of a reply."""
    RESTORED = "restored"
    """The thread shows the finished reply as it was, because no new version could be written."""
    UNSENT = "unsent"
    """Slack accepted no final message before the deadline."""


class RequeueError(Exception):
    """The job must run again: it returns to the front of the queue."""


@dataclass(slots=True, eq=False)
class JobContext:
    """One execution of a job. `age_seconds` counts from the acceptance of the question."""

    job: Job
    lease: Lease
    age_seconds: float
    revision: str = "0"
    """Revision of the question in `job`; the question may have a newer one, never an older one."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a person stops the reply or deletes the question."""
    edited: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the question was edited; the queued job then holds the new text."""
    attempt_refundable: bool = False
    """Whether the counted attempt has neither failed nor finished, so that a requeue refunds it."""
    lost: bool = False
    """Whether another worker has taken the lease over."""
    task: "asyncio.Task[None] | None" = None
    """The asyncio task that runs this execution."""

    def cancel_lost(self) -> None:
        """Cancel the execution because its lease is lost."""
        self.lost = True
        if self.task is not None:
            self.task.cancel()
