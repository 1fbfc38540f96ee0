"""Queue protocol model: the real steps of one bot and two workers on one Redis, one at a time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import redis

from bot.store.acceptance import QueueLimits, Receipt
from bot.store.inbox import FillOutcome, Inbox
from bot.store.job_updates import JobUpdates, UpdateOutcome
from bot.store.received import ReceivedMessage
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from testing.prepared_queue import PreparedQueue, post_of
from worker import scripts
from worker.jobs.job_context import JobContext
from worker.jobs.leases import (
    FIRST_SEEN,
    INTERMEDIATE_QUEUE,
    JOB_PREFIX,
    QUEUE_KEY,
    STARTED_REGISTRY,
    LeaseManager,
)
from worker.jobs.rq_worker import RqWorker

LEASE_SECONDS: Final = 3600.0
"""Seconds: no lease runs out here but by `expire`."""
TEAM: Final = "T1"
CHANNEL: Final = "C1"


def make_job(number: int, thread: str, user: str, text: str) -> Job:
    """Return a job in the given thread."""
    ts = f"{number}.1"
    turn = Turn(speaker=Speaker.USER, text=text, ts=ts)
    place = Thread(team=TEAM, channel=CHANNEL, ts=thread)
    return Job(thread=place, ts=ts, user=user, user_team=TEAM, turns=(turn,))


@dataclass(eq=False)
class JobExecution:
    """One worker's execution of a job."""

    worker: RqWorker
    context: JobContext
    answer: str | None
    posted: bool
    withdrawn: bool

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.context.lease.job_id

    @property
    def question_text(self) -> str:
        """The question as the worker read it."""
        return self.context.job.question.text


@dataclass
class QueueProtocol:
    """One bot and two workers."""

    redis: redis.Redis
    workers: list[RqWorker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.job_queue = PreparedQueue(
            self.redis, QueueLimits(max_pending=1000, max_per_user=1000, max_running_per_user=2)
        )
        self.inbox = Inbox(self.redis, TEAM, self.job_queue)
        self.job_updates = JobUpdates(self.redis)
        self.leases = LeaseManager(self.redis, LEASE_SECONDS, "w")
        for name in ("w0", "w1"):
            leases = LeaseManager(self.redis, LEASE_SECONDS, name)
            self.workers.append(RqWorker(self.redis, name, leases, 3600))
        self._write_script = self.redis.register_script(scripts.WRITE_FENCED)
        self._set_once_script = self.redis.register_script(scripts.SET_ONCE_FENCED)
        self._renew_script = self.redis.register_script(scripts.RENEW_LEASE)

    def flush_redis(self) -> None:
        """Empty the server."""
        self.redis.flushall()
        for worker in self.workers:
            worker.executions.clear()

    # -- the bot

    def receive_question(self, job: Job) -> Receipt:
        """Accept a question into the inbox; its thread is not read yet."""
        return self.inbox.accept(ReceivedMessage(post=post_of(job)))

    def fill_job(self, job: Job, text: str, revision: str) -> FillOutcome:
        """Fill a job in with the text that a bot read at a revision."""
        turn = job.question.model_copy(update={"text": text})
        return self.inbox.fill_job(job.model_copy(update={"turns": (turn,)}), revision)

    def edit_question(self, job: Job, text: str, *, restart: bool) -> UpdateOutcome:
        """Put another text into a job."""

        def rebuild_job(old: Job) -> Job:
            turn = old.question.model_copy(update={"text": text})
            return old.model_copy(update={"turns": (turn,)})

        return self.job_updates.replace_payload(job.id, rebuild_job, restart=restart)

    def delete_question(self, job: Job) -> None:
        """Cancel the job of a deleted question."""
        self.job_queue.mark_as_handled(TEAM, CHANNEL, job.ts)
        self.job_queue.cancel_job(job.id)

    # -- a worker

    def has_queued_jobs(self) -> bool:
        """Say whether a worker can dequeue a job id."""
        return self.redis.llen(QUEUE_KEY) > 0

    def dequeue_job(self, worker: RqWorker) -> str | None:
        """Dequeue a job id, if there is one."""
        return worker.dequeue_job_id() if self.has_queued_jobs() else None

    def claim_job(self, job: str) -> None:
        """Claim a job and do nothing more."""
        self.leases.claim_lease(job, uuid4().hex)

    def start_job(self, worker: RqWorker, job: str) -> JobExecution | None:
        """Claim a dequeued job and load its progress."""
        context = worker.claim_job(job)
        if context is None:
            return None
        fields = [keys.ANSWER, keys.OUTCOME, keys.WITHDRAWN]
        answer, posted, withdrawn = self.redis.hmget(JOB_PREFIX + job, fields)
        saved_answer = answer.decode() if isinstance(answer, bytes) else None
        return JobExecution(
            worker, context, saved_answer, posted is not None, withdrawn is not None
        )

    def holds_lease(self, execution: JobExecution) -> bool:
        """Return whether an execution may act now, without a change."""
        lease = execution.context.lease
        holder = self.redis.get(keys.job_lease(lease.job_id))
        if holder is not None:
            return holder == lease.execution_id.encode()
        return self.redis.zscore(STARTED_REGISTRY, lease.member) is not None

    def renew_lease(self, execution: JobExecution) -> bool:
        """Prove and renew the lease, as before each outside effect."""
        lease = execution.context.lease
        lease_keys = [keys.job_lease(lease.job_id), STARTED_REGISTRY]
        return bool(
            self._renew_script(
                keys=lease_keys, args=[lease.execution_id, lease.member, int(LEASE_SECONDS * 1000)]
            )
        )

    def set_placeholder(self, execution: JobExecution, message: str) -> str | None:
        """Record a placeholder; return the recorded one, or None if the lease is lost."""
        lease = execution.context.lease
        lease_keys = [keys.job_lease(lease.job_id), STARTED_REGISTRY, JOB_PREFIX + lease.job_id]
        arguments = [lease.execution_id, lease.member, keys.PLACEHOLDER, message]
        found = self._set_once_script(keys=lease_keys, args=arguments)
        return found.decode() if isinstance(found, bytes) else None

    def write_field(
        self, execution: JobExecution, field: str, value: str, *, if_current: bool = True
    ) -> int:
        """Write a field if the lease is held and, with `if_current`, the revision is the newest."""
        lease = execution.context.lease
        lease_keys = [keys.job_lease(lease.job_id), STARTED_REGISTRY, JOB_PREFIX + lease.job_id]
        revision = execution.context.revision if if_current else ""
        arguments = [lease.execution_id, lease.member, revision, field, value]
        return int(self._write_script(keys=lease_keys, args=arguments))

    def release_job(self, execution: JobExecution) -> None:
        """Release the quota, so that the thread's next job can run."""
        execution.worker.release_quota(execution.job_id)

    def record_success(self, execution: JobExecution) -> None:
        """Record the end in RQ."""
        execution.worker.record_success(execution.context, "answered")

    def requeue_job(self, execution: JobExecution) -> bool:
        """Put the job at the front of the queue."""
        return execution.worker.requeue_job(execution.context, 0)

    def abandon_job(self, execution: JobExecution) -> None:
        """Forget an execution, as a killed worker does."""
        execution.worker.forget_execution(execution.context)

    # -- time and recovery

    def expire_leases(self) -> None:
        """Expire all leases."""
        for key in self.redis.scan_iter(f"starchat:{TEAM}:lease:*"):
            self.redis.delete(key)

    def reap_jobs(self) -> None:
        """Requeue the jobs of dead workers; unclaimed ids count as old enough."""
        self.leases.reap_jobs()
        for job in _decode_all(self.redis.zrange(FIRST_SEEN, 0, -1)):
            self.redis.zadd(FIRST_SEEN, {job: 0})
        self.leases.reap_jobs()

    def repair_orphans(self) -> None:
        """Release the quotas of deleted jobs."""
        self.leases.repair_orphans()

    # -- what is there

    def pending_jobs(self) -> list[str]:
        """Return all unfinished jobs in order."""
        return _decode_all(self.redis.zrange(keys.PENDING_JOBS, 0, -1))

    def thread_jobs(self, thread: str) -> list[str]:
        """Return a thread's unfinished jobs in order."""
        return _decode_all(self.redis.lrange(keys.thread_queue(TEAM, CHANNEL, thread), 0, -1))

    def leftover_keys(self) -> set[str]:
        """Return the keys that still hold a quota, a lease or a job."""
        found = _decode_all(self.redis.keys("*"))
        kinds = (":thread_queue:", ":user_quota:", ":lease:")
        places = (keys.PENDING_JOBS, QUEUE_KEY, INTERMEDIATE_QUEUE, STARTED_REGISTRY, FIRST_SEEN)
        return {key for key in found if key in places or any(kind in key for kind in kinds)}


def _decode_all(found: Iterable[Any]) -> list[str]:
    return [str(one, "utf-8") for one in found]
