"""
Job leases with fencing tokens, in Redis.

A lease lets exactly one execution act for a job. Its execution id is a fencing token (Kleppmann,
"How to do distributed locking"): Redis rejects a write of an execution whose lease is lost.
"""

import time
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from redis.asyncio import Redis as AsyncRedis

from contract import keys
from contract.job import QUEUE_NAME
from contract.scripts import REPAIR_ORPHANS, SET_ASIDE
from worker import scripts
from worker.errors import EditedError, LeaseLostError

JOB_PREFIX: Final = "rq:job:"
EXECUTION_PREFIX: Final = "rq:execution:"
JOB_EXECUTIONS_PREFIX: Final = "rq:executions:"
QUEUE_KEY: Final = f"rq:queue:{QUEUE_NAME}"
INTERMEDIATE_QUEUE: Final = f"{QUEUE_KEY}:intermediate"
STARTED_REGISTRY: Final = f"rq:wip:{QUEUE_NAME}"
DEFERRED_REGISTRY: Final = f"rq:deferred:{QUEUE_NAME}"
MAX_JOBS_PER_REPAIR: Final = 64
"""Deferred jobs that one repair examines."""
FIRST_SEEN: Final = "starchat:first_seen"
"""Sorted set: dequeued but unclaimed job ids, by the time a reaper first saw them (s)."""
GLOBAL_KEYS: Final = (
    *(keys.PENDING_JOBS, keys.WORKER_STATUSES, keys.REDIS_SENTINEL, FIRST_SEEN),
    *("starchat:quarantine", QUEUE_KEY, INTERMEDIATE_QUEUE, STARTED_REGISTRY, DEFERRED_REGISTRY),
    *(f"rq:finished:{QUEUE_NAME}", f"rq:failed:{QUEUE_NAME}"),
    *("rq:queues", "rq:workers", f"rq:workers:{QUEUE_NAME}"),
)
"""Keys that belong to no team; RQ writes some of them outside our scripts."""
RECOVERY_COUNT: Final = "starchat_recoveries"
"""Field of the job hash: number of times a reaper has put the job back on the queue."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lease:
    """Right to act for a job. `execution_id` is RQ's execution id and the fencing token."""

    job_id: str
    execution_id: str

    @property
    def member(self) -> str:
        """Member of RQ's started registry for this execution."""
        return f"{self.job_id}:{self.execution_id}"


class LeaseManager:
    """Claims, requeues and recovers jobs. Its calls block: use it in threads only."""

    def __init__(self, connection: redis.Redis, lease_seconds: float, worker: str) -> None:
        """Lease jobs for `lease_seconds` in the name of the RQ worker `worker`."""
        self._lease_ms = int(lease_seconds * 1000)
        self._unclaimed_seconds = lease_seconds / 2
        self._worker = worker
        self._connection = connection
        self._claim_script = connection.register_script(scripts.CLAIM)
        self._release_script = connection.register_script(scripts.RELEASE)
        self._requeue_script = connection.register_script(scripts.REQUEUE)
        self._reap_script = connection.register_script(scripts.REAP)
        self._repair_script = connection.register_script(REPAIR_ORPHANS)
        self._set_aside_script = connection.register_script(SET_ASIDE)

    def claim_lease(self, job_id: str, token: str) -> int:
        """Claim a dequeued job. Return 1, 0 if another execution has it, -1 if it is over."""
        lease_keys = [keys.job_lease(job_id), JOB_PREFIX + job_id, INTERMEDIATE_QUEUE]
        return int(self._claim_script(keys=lease_keys, args=[job_id, token, self._lease_ms]))

    def bind_execution(self, lease: Lease) -> None:
        """Replace the token of the claim with the execution id."""
        self._connection.set(keys.job_lease(lease.job_id), lease.execution_id, px=self._lease_ms)

    def release_lease(self, lease: Lease) -> None:
        """Release the lease, after RQ has recorded the end of the job."""
        self._release_script(keys=[keys.job_lease(lease.job_id)], args=[lease.execution_id])

    def requeue_job(self, lease: Lease, refunded: int, *, to_back: bool = False) -> bool:
        """
        Put the job at the front of the queue, or at its back, and refund attempts.

        Return false if the lease is lost.
        """
        job_keys = [
            keys.job_lease(lease.job_id),
            JOB_PREFIX + lease.job_id,
            QUEUE_KEY,
            STARTED_REGISTRY,
            EXECUTION_PREFIX + lease.member,
            JOB_EXECUTIONS_PREFIX + lease.job_id,
            f"rq:worker:{self._worker}:executions",
        ]
        arguments: list[str | int] = [
            lease.execution_id,
            lease.job_id,
            lease.execution_id,
            refunded,
            keys.ATTEMPTS,
            "RPUSH" if to_back else "LPUSH",
        ]
        return bool(self._requeue_script(keys=job_keys, args=arguments))

    def reap_jobs(self) -> list[str]:
        """Requeue the jobs of dead workers; return their ids."""
        recovered = self._reap_script(
            keys=[QUEUE_KEY, INTERMEDIATE_QUEUE, STARTED_REGISTRY, FIRST_SEEN],
            args=[
                JOB_PREFIX,
                EXECUTION_PREFIX,
                JOB_EXECUTIONS_PREFIX,
                self._unclaimed_seconds,
                RECOVERY_COUNT,
            ],
        )
        return [job_id.decode() for job_id in recovered]

    def set_aside_keys(self) -> None:
        """Set the queue's own keys of a wrong type aside; log all keys that were set aside."""
        for name in self._set_aside_script(GLOBAL_KEYS, [1]):
            log.error("key of a wrong type set aside", key=str(name, "utf-8", "replace"))

    def repair_orphans(self) -> int:
        """Release the quotas of jobs that RQ's tools deleted; return how many jobs that freed."""
        queue_keys = [keys.PENDING_JOBS, QUEUE_KEY, DEFERRED_REGISTRY]
        return int(
            self._repair_script(
                keys=queue_keys, args=[JOB_PREFIX, keys.QUEUE_TTL_SECONDS, MAX_JOBS_PER_REPAIR]
            )
        )


class Fence:
    """Guards every outside effect and every write of one execution. Use it on the event loop."""

    def __init__(self, connection: AsyncRedis, lease: Lease, lease_seconds: float) -> None:
        """Renew `lease` for `lease_seconds`; `connection` must decode responses."""
        self.lease = lease
        self._redis = connection
        self._lease_ms = int(lease_seconds * 1000)
        self._key = JOB_PREFIX + lease.job_id
        self._lease_keys = [keys.job_lease(lease.job_id), STARTED_REGISTRY]
        self._token: list[str | int] = [lease.execution_id, lease.member]
        self._renew_script = connection.register_script(scripts.RENEW_LEASE)
        self._write_script = connection.register_script(scripts.WRITE_FENCED)
        self._set_once_script = connection.register_script(scripts.SET_ONCE_FENCED)

    async def check_lease(self) -> None:
        """
        Prove and renew the lease. Raises `LeaseLostError` if it is lost.

        A response that took longer than the lease proves nothing, because the process may have
        been suspended; the check is then repeated.
        """
        is_late = True
        while is_late:
            started = time.monotonic()
            arguments = [*self._token, self._lease_ms]
            if not await self._renew_script(keys=self._lease_keys, args=arguments):
                raise LeaseLostError
            is_late = (time.monotonic() - started) * 1000 >= self._lease_ms

    async def write_fields(self, fields: dict[str, str], revision: str = "") -> None:
        """
        Write fields of the job hash.

        Raises `LeaseLostError` if the lease is lost, and `EditedError` if `revision` is not empty
        and no longer the question's newest.
        """
        arguments = [*self._token, revision, *(part for pair in fields.items() for part in pair)]
        result = await self._write_script(keys=[*self._lease_keys, self._key], args=arguments)
        if int(result) < 0:
            raise EditedError
        if not result:
            raise LeaseLostError

    async def set_once(self, field: str, value: str) -> str:
        """
        Write a field of the job hash if it is empty; return its value.

        Raises `LeaseLostError` if the lease is lost.
        """
        arguments = [*self._token, field, value]
        stored = await self._set_once_script(keys=[*self._lease_keys, self._key], args=arguments)
        if stored is None:
            raise LeaseLostError
        return str(stored)
