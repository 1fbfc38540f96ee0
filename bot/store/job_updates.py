"""Updates of enqueued jobs: a new payload after the question or its thread was edited."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Final

import structlog
from redis import Redis
from rq.command import send_command
from rq.job import Job as RqJob

from bot.messages.events import MessagePosted
from bot.store.client import decode_reply
from bot.store.received import Received, ReceivedMessage, decode_unread_question
from bot.store.rq_job import build_rq_job_hash, decode_payload
from bot.store.scripts import load_script
from contract import keys
from contract.job import MAX_JOB_BYTES, Job, Thread, job_id

log = structlog.get_logger()

MAX_ATTEMPTS: Final = 8
"""Attempts to replace a payload that changes between read and write."""

WAITING_STATUSES: Final = frozenset({"queued", "deferred"})
"""RQ's statuses of jobs that no worker has taken."""

Rebuild = Callable[[Job], Job | None]


class UpdateOutcome(StrEnum):
    """Outcome of an update."""

    UPDATED = "updated"
    """The waiting job has the new payload."""
    RESTARTED = "restarted"
    """The running job has the new payload, and its worker restarts it."""
    RUNNING = "running"
    """The job runs with the old payload."""
    ANSWERED = "answered"
    """The job has an answer already."""
    UNCHANGED = "unchanged"
    """The payload was up to date, or there is no new one."""
    SCRUBBED = "scrubbed"
    """The job has the new payload, and its worker does not restart it."""
    GONE = "gone"
    """Redis has no such job, or the job has ended."""


class JobUpdates:
    """Updates of jobs in place. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        """`redis` must not decode responses: payloads are compressed."""
        self._redis = redis
        self._replace_script = redis.register_script(load_script("replace_payload"))
        self._mark_script = redis.register_script(load_script("mark_changed"))

    def list_unfinished_jobs(self, thread: Thread) -> list[str]:
        """Return the ids of a thread's unfinished jobs, in queue order."""
        thread_queue = keys.thread_queue(thread.team, thread.channel, thread.ts)
        return [decode_reply(job) for job in self._redis.lrange(thread_queue, 0, -1)]

    def is_unfinished(self, thread: Thread, job: str) -> bool:
        """Return whether a thread's queue has this job."""
        return job in self.list_unfinished_jobs(thread)

    def is_waiting(self, job: str) -> bool:
        """Return whether no worker has taken a job yet."""
        status = self._redis.hget(RqJob.key_for(job), "status")
        return status is not None and decode_reply(status) in WAITING_STATUSES

    def scrub_message(self, thread: Thread, ts: str) -> None:
        """Drop a deleted message and the reply to it from all unfinished jobs of its thread."""
        for job in self.list_unfinished_jobs(thread):
            self.scrub_payload(job, partial(_drop_message, ts=ts))

    def scrub_job(self, job: str) -> None:
        """Drop everything from a job's payload except its own question."""
        self.scrub_payload(job, _keep_question)

    def scrub_payload(self, job: str, rebuild: Rebuild) -> UpdateOutcome:
        """Replace the payload of a job in any state; a worker that runs it does not restart."""
        return self._replace_payload(job, rebuild, "scrub")

    def is_unread(self, job: str) -> bool:
        """Return whether a job's thread is not read yet."""
        return bool(self._redis.hexists(RqJob.key_for(job), keys.RECEIVED))

    def get_unread_question(self, job: str) -> Received | None:
        """Return a question whose thread is not read yet; `None` if it is read or malformed."""
        found = self._redis.hget(RqJob.key_for(job), keys.RECEIVED)
        return None if found is None else decode_unread_question(found)

    def replace_undecided_message(self, post: MessagePosted) -> bool:
        """Decide about an edited message by its new text; `False` if it is no undecided one."""
        job = job_id(post.thread.team, post.thread.channel, post.ts)
        received = self.get_unread_question(job)
        if not isinstance(received, ReceivedMessage) or not received.is_undecided:
            return False
        edited = received.model_copy(update={"post": post})
        return bool(self._mark_script(keys=[RqJob.key_for(job)], args=[edited.model_dump_json()]))

    def has_unread_before(self, thread: Thread, ts: str) -> bool:
        """Return whether a thread's queue has an unread job of a message before `ts`."""
        before = job_id(thread.team, thread.channel, ts)
        return any(
            job < before and self.is_unread(job) for job in self.list_unfinished_jobs(thread)
        )

    def replace_payload(self, job: str, rebuild: Rebuild, *, restart: bool) -> UpdateOutcome:
        """
        Replace a job's payload by what `rebuild` makes of it; `None` leaves it unchanged.

        With `restart`, a running job is replaced too, and its worker restarts it. A job whose
        thread is unread gets a new revision, so that the thread is read after the change.
        """
        return self._replace_payload(job, rebuild, "restart" if restart else "wait")

    def _replace_payload(self, job: str, rebuild: Rebuild, mode: str) -> UpdateOutcome:
        for _ in range(MAX_ATTEMPTS):
            if self._mark_script(keys=[RqJob.key_for(job)]):
                return UpdateOutcome.UPDATED
            data = self._redis.hget(RqJob.key_for(job), "data")
            old = None if data is None else decode_payload(self._redis, job, data)
            if data is None or old is None:
                return UpdateOutcome.GONE
            new = rebuild(old)
            if new is None or new == old or len(new.to_json().encode()) > MAX_JOB_BYTES:
                return UpdateOutcome.UNCHANGED
            outcome = decode_reply(
                self._replace_script(
                    keys=[RqJob.key_for(job)],
                    args=[
                        data,
                        build_rq_job_hash(self._redis, job, new.to_json())["data"],
                        mode,
                    ],
                )
            )
            if outcome != "conflict":
                self._notify_worker(job, outcome)
                return UpdateOutcome(outcome)
        log.error("job not updated", job=job)
        return UpdateOutcome.UNCHANGED

    def _notify_worker(self, job: str, outcome: str) -> None:
        """Tell the worker to restart; if it misses that, the revision stops it from saving."""
        log.info("job updated", job=job, outcome=outcome)
        if outcome != UpdateOutcome.RESTARTED:
            return
        worker = self._redis.hget(RqJob.key_for(job), "worker_name")
        if worker:
            send_command(self._redis, decode_reply(worker), keys.RESTART_COMMAND, job_id=job)


def _drop_message(job: Job, ts: str) -> Job:
    *earlier, question = job.turns
    kept = [turn for turn in earlier if ts not in {turn.ts, turn.in_reply_to}]
    if question.ts == ts:
        question = question.model_copy(update={"text": "", "files": (), "files_left_out": 0})
    return job.model_copy(update={"turns": (*kept, question)})


def _keep_question(job: Job) -> Job:
    return job.model_copy(update={"turns": (job.question,)})
