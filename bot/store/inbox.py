"""
Inbox: accepted questions whose threads are not read yet, in Redis.

A question is acknowledged as soon as it is in the inbox. Any bot then leases it by Redis' clock,
reads its thread and fills the job in. If that bot dies, the lease runs out and another one reads.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from redis import Redis
from rq.job import Job as RqJob

from bot.store.acceptance import EnqueueOutcome, FollowCalls, Receipt
from bot.store.client import decode_reply, read_clock
from bot.store.job_queue import JobQueue
from bot.store.received import Received, decode_unread_question, received_job_id
from bot.store.rq_job import build_rq_job_hash
from bot.store.scripts import load_script
from bot.store.usage_sums import UsageSums
from contract import keys
from contract.job import Job
from contract.scripts import DROP_UNREAD, FILL
from contract.usage import Usage

READ_LEASE_SECONDS: Final = 30.0
"""Lease after which another bot may read a thread too; only the first one fills the job in."""
MAX_DUE_ENTRIES: Final = 2000
"""Due entries of one look at the inbox."""


class FillOutcome(StrEnum):
    """Outcome of an attempt to fill a job in."""

    FILLED = "filled"
    CONFLICT = "conflict"
    """The thread changed after it was read."""
    GONE = "gone"
    """The job was filled in or canceled."""


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """Unread job; `num_reads` counts the reads begun before this one."""

    job_id: str
    received: Received | None
    """`None` if the entry is malformed."""
    num_reads: int = 0


class Inbox:
    """Inbox of one team. Methods raise `redis.exceptions.RedisError`."""

    def __init__(
        self, redis: Redis, team: str, queue: JobQueue, lease_seconds: float = READ_LEASE_SECONDS
    ) -> None:
        self._redis = redis
        self._queue = queue
        self.team = team
        self._key = keys.inbox(team)
        self._lease_seconds = lease_seconds
        self._fill_script = redis.register_script(FILL)
        self._drop_script = redis.register_script(DROP_UNREAD)
        self._lease_script = redis.register_script(load_script("lease_read"))
        self._postpone_script = redis.register_script(load_script("postpone_read"))
        self._release_script = redis.register_script(load_script("release_marker"))

    def accept(
        self, received: Received, *, delay: float = 0.0, follow_calls: FollowCalls | None = None
    ) -> Receipt:
        """Accept a question once; its thread may be read after `delay` seconds."""
        return self._queue.accept(received, self._key, delay=delay, follow_calls=follow_calls)

    def list_due(self) -> list[str]:
        """Return the ids of the jobs whose threads may be read now, the longest due first."""
        now = read_clock(self._redis)
        found: Any = self._redis.zrangebyscore(self._key, "-inf", now, start=0, num=MAX_DUE_ENTRIES)
        return [decode_reply(job) for job in found]

    def get_entry(self, job: str) -> InboxEntry | None:
        """Return an entry without a lease; `None` if the job is not unread."""
        found = self._redis.hget(RqJob.key_for(job), keys.RECEIVED)
        return None if found is None else InboxEntry(job, decode_unread_question(found))

    def lease_entry(self, job: str) -> InboxEntry | None:
        """Lease an entry; `None` if another bot has it, or if it is gone or not due."""
        found: Any = self._lease_script(
            keys=[RqJob.key_for(job), self._key], args=[job, self._lease_seconds]
        )
        if found is None:
            return None
        message, num_reads = found
        return InboxEntry(job, decode_unread_question(message), int(num_reads))

    def discard_entry(self, job: str) -> None:
        """Remove the entry of a job that is gone, or is no job."""
        self._redis.zrem(self._key, job)

    def postpone_entry(self, job: str, seconds: float, *, refund: bool) -> None:
        """Read a thread again in `seconds`; with `refund`, this read does not count."""
        self._postpone_script(
            keys=[RqJob.key_for(job), self._key], args=[job, seconds, int(refund)]
        )

    def get_revision(self, job: str) -> str:
        """Return the revision of a job: it counts the changes of the question and its thread."""
        found = self._redis.hget(RqJob.key_for(job), keys.REVISION)
        return decode_reply(found) if found else "0"

    def fill_job(
        self, job: Job, revision: str, fields: dict[str, str] | None = None
    ) -> FillOutcome:
        """Fill a job in with what was read at `revision`, and further fields of its hash."""
        data = build_rq_job_hash(self._redis, job.id, job.to_json())["data"]
        parts = [part for pair in (fields or {}).items() for part in pair]
        outcome = self._fill_script(
            keys=[
                RqJob.key_for(job.id),
                self._queue.rq_queue_key,
                self._queue.deferred_key,
                self._key,
            ],
            args=[
                job.id,
                RqJob.redis_job_namespace_prefix,
                keys.QUEUE_TTL_SECONDS,
                revision,
                "data",
                data,
                *parts,
            ],
        )
        return FillOutcome(decode_reply(outcome))

    def check_limits(self, received: Received) -> Receipt:
        """
        Return the receipt that an undecided message gets once it turns out to be a question.

        A question that is not accepted yet counts as the last one.
        """
        job, limits = received_job_id(received), self._queue.limits
        beyond_budget = self._find_exceeded_budget(received)
        if beyond_budget is not None:
            return beyond_budget
        quota = keys.user_quota(received.thread.team, received.charged_user)
        own = [decode_reply(other) for other in self._redis.smembers(f"{quota}:pending")]
        with self._redis.pipeline() as pipe:
            pipe.zcard(keys.PENDING_JOBS)
            pipe.zrank(keys.PENDING_JOBS, job)
            pipe.zmscore(keys.PENDING_JOBS, [job, *own])
            pending, rank, (accepted_at, *times) = pipe.execute()
        rank = pending if rank is None else rank
        before = math.inf if accepted_at is None else accepted_at
        own_before = sum(time is not None and time < before for time in times)
        if rank >= limits.max_pending:
            return Receipt(job, EnqueueOutcome.QUEUE_FULL, rank, pending)
        if own_before >= limits.max_per_user:
            return Receipt(job, EnqueueOutcome.USER_QUOTA_EXCEEDED, own_before, pending)
        return Receipt(job, EnqueueOutcome.ACCEPTED, rank, pending)

    def _find_exceeded_budget(self, received: Received) -> Receipt | None:
        """Return the refusal of a question if what was used today exceeds a budget."""
        thread = received.thread
        budgets = self._queue.limits.budgets.find_limits_ms(received)
        if not any(budgets):
            return None
        sums = UsageSums(self._redis)
        today = sums.count_days()
        outcome = None
        if _is_used_up(
            sums.read_day(keys.user_usage(thread.team, received.charged_user), today), budgets.user
        ):
            outcome = EnqueueOutcome.USER_BUDGET_EXCEEDED
        elif _is_used_up(
            sums.read_day(keys.channel_usage(thread.team, thread.channel), today), budgets.channel
        ):
            outcome = EnqueueOutcome.CHANNEL_BUDGET_EXCEEDED
        if outcome is None:
            return None
        return Receipt(received_job_id(received), outcome, today, self._queue.queue_depth())

    def drop_unread(self, received: Received, revision: str) -> bool:
        """Drop a message that is no question; `False` if it was edited since `revision`."""
        job = received_job_id(received)
        dropped = self._drop_script(
            keys=[
                *received.markers,
                keys.PENDING_JOBS,
                RqJob.key_for(job),
                self._queue.rq_queue_key,
                self._queue.deferred_key,
                self._key,
            ],
            args=[job, RqJob.redis_job_namespace_prefix, keys.QUEUE_TTL_SECONDS, revision],
        )
        return bool(dropped)

    def release_markers(self, received: Received) -> None:
        """Forget that a message was accepted: it turned out to be no question."""
        self._release_script(keys=[*received.markers], args=[received_job_id(received)])


def _is_used_up(used: Usage, budget_ms: int) -> bool:
    return bool(budget_ms) and used.gpu_ms >= budget_ms
