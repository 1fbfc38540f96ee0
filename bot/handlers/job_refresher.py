"""Job refresher: rebuilds waiting and running jobs after their thread changed."""

from dataclasses import dataclass
from functools import partial

from bot.handlers.job_builder import JobBuilder, Source
from bot.messages.message import Message
from bot.store.job_updates import JobUpdates, UpdateOutcome
from contract.job import Job, Thread


@dataclass(frozen=True, slots=True)
class JobRefresher:
    """
    Rebuilds jobs from their threads. Methods raise `RedisError`, and what their `Source` says.

    `restart_on_edit` is whether an edited question restarts a running job.
    """

    job_builder: JobBuilder
    job_updates: JobUpdates
    restart_on_edit: bool = True

    def refresh_job(self, job: str, changed: Message) -> UpdateOutcome:
        """Rebuild the job of an edited question."""
        rebuild = partial(self.job_builder.replace_message, changed=changed)
        return self.job_updates.replace_payload(job, rebuild, restart=self.restart_on_edit)

    def refresh_thread(self, thread: Thread, changed: Message, *, except_job: str = "") -> None:
        """Rebuild a thread's waiting jobs after another of its messages changed."""
        rebuild = partial(self.job_builder.replace_message, changed=changed)
        for job in self.job_updates.list_unfinished_jobs(thread):
            if job == except_job:
                continue
            outcome = self.job_updates.replace_payload(job, rebuild, restart=False)
            if outcome is UpdateOutcome.RUNNING:
                # Its worker has the old text in memory; Redis keeps the new one.
                self.job_updates.scrub_payload(job, rebuild)

    def refresh_later_jobs(self, thread: Thread, job: str, source: Source) -> None:
        """Rebuild the jobs behind one that was accepted after them."""
        rebuild = partial(self.job_builder.rebuild_job, source=source)
        jobs = self.job_updates.list_unfinished_jobs(thread)
        for later in jobs[jobs.index(job) + 1 :] if job in jobs else ():
            if not self.job_updates.is_unread(later):
                self.job_updates.replace_payload(later, rebuild, restart=False)

    def find_deleted_question(self, job: str, source: Source) -> tuple[Thread, str] | None:
        """Refresh a job that missed events; return its question's address if that is deleted."""
        deleted: list[tuple[Thread, str]] = []
        received = self.job_updates.get_unread_question(job)
        if received and self.job_builder.is_deleted(received.thread, received.ts, source):
            return received.thread, received.ts

        def rebuild_or_mark_deleted(old: Job) -> Job | None:
            is_deleted = self.job_builder.is_deleted(old.thread, old.ts, source)
            deleted[:] = [(old.thread, old.ts)] if is_deleted else []
            return self.job_builder.rebuild_job(old, source)

        self.job_updates.replace_payload(job, rebuild_or_mark_deleted, restart=self.restart_on_edit)
        return deleted[0] if deleted else None
