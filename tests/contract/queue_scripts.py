"""Runs the contract's Lua scripts as both processes do, and inspects what they leave in Redis."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis import Redis

from contract import keys, scripts
from contract.job import QUEUE_NAME, job_id

JOB_PREFIX = "rq:job:"
QUEUE_LIST = f"rq:queue:{QUEUE_NAME}"
DEFERRED_KEY = f"rq:deferred:{QUEUE_NAME}"
QUEUE_INDEX = "rq:queues"
TEAM = "T1"
CHANNEL = "C1"


class EnqueueReceipt(NamedTuple):
    """Result of the script that enqueues a job."""

    outcome: str
    position: int
    pending: int


@dataclass(frozen=True)
class QueueScripts:
    """The queue of one server, with its limits."""

    redis: Redis
    max_pending: int = 100
    max_pending_per_user: int = 100
    max_running_per_user: int = 2
    user_budget_ms: int = 0
    channel_budget_ms: int = 0

    def enqueue_job(
        self, ts: str, *, thread: str = "1.0", user: str = "U1", client_msg_id: str | None = None
    ) -> EnqueueReceipt:
        """Enqueue a job, as the bot does."""
        job = job_id(TEAM, CHANNEL, ts)
        idempotency_key = keys.idempotency_key(TEAM, CHANNEL, ts)
        names = (
            idempotency_key,
            keys.client_msg_id(TEAM, client_msg_id) if client_msg_id else idempotency_key,
            keys.PENDING_JOBS,
            keys.thread_queue(TEAM, CHANNEL, thread),
            keys.user_quota(TEAM, user),
            JOB_PREFIX + job,
            QUEUE_LIST,
            DEFERRED_KEY,
            QUEUE_INDEX,
            keys.inbox(TEAM),
            keys.user_usage(TEAM, user),
            keys.channel_usage(TEAM, CHANNEL),
            keys.team_usage(TEAM),
            keys.channel_jobs(TEAM, CHANNEL),
        )
        limits = (
            self.max_pending,
            self.max_pending_per_user,
            self.max_running_per_user,
            keys.QUEUE_TTL_SECONDS,
        )
        found: Any = self.redis.eval(
            scripts.ACCEPT,
            len(names),
            *names,
            job,
            keys.IDEMPOTENCY_TTL_SECONDS,
            *limits,
            ts,
            0,
            self.user_budget_ms,
            self.channel_budget_ms,
            "data",
            f"of {ts}",
        )
        return EnqueueReceipt(found[0].decode(), *found[1:])

    def release_job(self, ts: str) -> int:
        """Release a job, as both processes do."""
        job = job_id(TEAM, CHANNEL, ts)
        names = (keys.PENDING_JOBS, JOB_PREFIX + job, QUEUE_LIST, DEFERRED_KEY)
        found: Any = self.redis.eval(
            scripts.FINISH, len(names), *names, job, JOB_PREFIX, keys.QUEUE_TTL_SECONDS
        )
        return int(found)

    def start_next(self) -> str | None:
        """Take the next job off RQ's list and start it, as a worker does; return its `ts`."""
        job = self.redis.lpop(QUEUE_LIST)
        if job is None:
            return None
        assert isinstance(job, bytes)
        self.redis.hset(JOB_PREFIX + job.decode(), "status", "started")
        return _message_ts(job)

    def end_job(self, ts: str, status: str = "finished") -> int:
        """Release a job and record its final status, as a worker does."""
        finished = self.release_job(ts)
        self.redis.hset(JOB_PREFIX + job_id(TEAM, CHANNEL, ts), "status", status)
        return finished

    def withdraw_job(self, ts: str) -> None:
        """Take a job off RQ's list, as the bot does before a worker has started it."""
        self.redis.lrem(QUEUE_LIST, 0, job_id(TEAM, CHANNEL, ts))

    def delete_job(self, ts: str) -> None:
        """Delete a job with RQ's own tools, which know nothing of queues and quotas."""
        job = job_id(TEAM, CHANNEL, ts)
        self.redis.delete(JOB_PREFIX + job)
        self.redis.lrem(QUEUE_LIST, 0, job)
        self.redis.zrem(DEFERRED_KEY, job)

    def repair_orphans(self, max_jobs: int = 100) -> int:
        """Release what deleted jobs hold, as each worker does every few seconds."""
        names = (keys.PENDING_JOBS, QUEUE_LIST, DEFERRED_KEY)
        found: Any = self.redis.eval(
            scripts.REPAIR_ORPHANS, len(names), *names, JOB_PREFIX, keys.QUEUE_TTL_SECONDS, max_jobs
        )
        return int(found)

    def runnable_jobs(self) -> list[str]:
        """Return the jobs on RQ's list, the next one first."""
        return [_message_ts(job) for job in self.redis.lrange(QUEUE_LIST, 0, -1)]

    def pending_jobs(self) -> list[str]:
        """Return all unfinished jobs in order of acceptance."""
        return [_message_ts(job) for job in self.redis.zrange(keys.PENDING_JOBS, 0, -1)]

    def deferred_jobs(self) -> set[str]:
        """Return the jobs that RQ shows as deferred."""
        return {_message_ts(job) for job in self.redis.zrange(DEFERRED_KEY, 0, -1)}

    def job_statuses(self, timestamps: Iterable[str]) -> list[str | None]:
        """Return RQ's statuses of the jobs."""
        with self.redis.pipeline() as pipeline:
            for ts in timestamps:
                pipeline.hget(JOB_PREFIX + job_id(TEAM, CHANNEL, ts), "status")
            return [found and found.decode() for found in pipeline.execute()]

    def job_status(self, ts: str) -> str | None:
        """Return RQ's status of a job."""
        return self.job_statuses([ts])[0]

    def run_all_jobs(self) -> None:
        """Start and end jobs until none is runnable."""
        while (ts := self.start_next()) is not None:
            self.end_job(ts)

    def own_keys(self) -> set[str]:
        """Return the names of our own keys."""
        return {key.decode() for key in self.redis.keys("starchat:*") if isinstance(key, bytes)}

    def quota_keys(self) -> set[str]:
        """Return the keys that hold a queue place or a quota."""
        kinds = ("thread_queue", "user_quota")
        return {
            key for key in self.own_keys() if key == keys.PENDING_JOBS or key.split(":")[2] in kinds
        }


def _message_ts(job: Any) -> str:
    return str(job.decode().split("-", 2)[2]).replace("-", ".")
