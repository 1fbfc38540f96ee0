"""Job refresher: rebuilds waiting and running jobs after their thread changed."""

from dataclasses import dataclass
from functools import partial

from bot.handlers.job_builder import JobBuilder
from bot.messages.events import MessagePosted
from bot.store.job_updates import JobUpdates, UpdateOutcome
from contract.job import Job, Thread


@dataclass(frozen=True, slots=True)
class JobRefresher:
    """
    Rebuilds jobs from their threads. Methods raise `RedisError` and `CALL_ERRORS`.

    `restart_on_edit` is whether an edited question restarts a running job.
    """

    job_builder: JobBuilder
    job_updates: JobUpdates
    restart_on_edit: bool = True

    def refresh_job(self, job: str, attempt: int) -> UpdateOutcome:
        """Rebuild the job of an edited question."""
        rebuild = partial(self.job_builder.rebuild_job, attempt=attempt)
        return self.job_updates.replace_payload(job, rebuild, restart=self.restart_on_edit)

    def refresh_thread(self, thread: Thread, attempt: int, *, except_job: str = "") -> None:
        """Rebuild a thread's waiting jobs after another of its messages changed."""
        rebuild = partial(self.job_builder.rebuild_job, attempt=attempt)
        for job in self.job_updates.list_unfinished_jobs(thread):
            if job == except_job:
                continue
            outcome = self.job_updates.replace_payload(job, rebuild, restart=False)
            if outcome is UpdateOutcome.RUNNING:
                # Its worker has the old text in memory; Redis keeps the new one.
                self.job_updates.scrub_payload(job, rebuild)

    def apply_early_edit(self, post: MessagePosted, job: Job, attempt: int) -> None:
        """Apply an edit that arrived after the thread was read and before the job existed."""
        latest = self.job_builder.thread_cache.get_latest(post.thread, post.ts)
        if latest is not None and latest != post.message:
            self.refresh_job(job.id, attempt)

    def find_deleted_question(self, job: str, attempt: int) -> Job | None:
        """Refresh a job that missed events; return it if its question was deleted."""
        deleted: list[Job] = []

        def rebuild_or_mark_deleted(old: Job) -> Job | None:
            messages = self.job_builder.read_thread(old.thread, attempt)
            is_missing = bool(messages) and all(m.ts != old.ts for m in messages or ())
            is_trimmed = self.job_builder.thread_cache.is_trimmed(old.thread, old.ts)
            deleted[:] = [old] if is_missing and not is_trimmed else []
            return self.job_builder.rebuild_job(old, attempt)

        self.job_updates.replace_payload(job, rebuild_or_mark_deleted, restart=self.restart_on_edit)
        return deleted[0] if deleted else None
