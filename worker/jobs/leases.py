"""Leases: which execution may act for a job, proven to Redis by a heartbeat of its own thread."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from redis.asyncio import Redis as AsyncRedis

from contract import keys
from contract.job import QUEUE_NAME
from contract.scripts import REPAIR_ORPHANS
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
"""Waiting jobs that are looked at in one go for others that hold them up."""
FIRST_SEEN: Final = "starchat:first_seen"
"""Sorted set: since when an id has been seen taken from the list and claimed by nobody."""
RECOVERY_COUNT: Final = "starchat_recoveries"
"""Field of the job hash: how often a dead worker's execution of it was put back."""
STALL_SECONDS: Final = 30.0
"""Seconds without a turn of the event loop after which a worker counts as hung."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act for a job. `execution` is RQ's execution id and the fencing token."""

    job: str
    execution: str

    @property
    def member(self) -> str:
        """How RQ's registry of started jobs names the execution."""
        return f"{self.job}:{self.execution}"


class LeaseManager:
    """Takes, gives back and recovers jobs. Blocking: for threads, never for the event loop."""

    def __init__(self, connection: redis.Redis, lease_seconds: float, worker: str) -> None:
        """Use `connection`; a lease lasts `lease` seconds."""
        self._lease_ms = int(lease_seconds * 1000)
        self._unclaimed_seconds = lease_seconds / 2
        self._worker = worker
        self._connection = connection
        self._claim_script = connection.register_script(scripts.CLAIM)
        self._release_script = connection.register_script(scripts.RELEASE)
        self._requeue_script = connection.register_script(scripts.REQUEUE)
        self._reap_script = connection.register_script(scripts.REAP)
        self._repair_script = connection.register_script(REPAIR_ORPHANS)

    def claim_lease(self, job: str, token: str) -> int:
        """Take a dequeued job. Returns 1, 0 if another execution has it, -1 if it is over."""
        lease_keys = [keys.job_lease(job), JOB_PREFIX + job, INTERMEDIATE_QUEUE]
        return int(self._claim_script(keys=lease_keys, args=[job, token, self._lease_ms]))

    def bind_execution(self, lease: Lease) -> None:
        """Put the execution's id in place of the token it was claimed with."""
        self._connection.set(keys.job_lease(lease.job), lease.execution, px=self._lease_ms)

    def release_lease(self, lease: Lease) -> None:
        """Let the lease go after RQ has recorded the end of the job."""
        self._release_script(keys=[keys.job_lease(lease.job)], args=[lease.execution])

    def requeue_job(self, lease: Lease, refunded: int) -> bool:
        """Put the job back at the front, `uncharged` attempts taken off. False if it is lost."""
        job_keys = [
            keys.job_lease(lease.job),
            JOB_PREFIX + lease.job,
            QUEUE_KEY,
            STARTED_REGISTRY,
            EXECUTION_PREFIX + lease.member,
            JOB_EXECUTIONS_PREFIX + lease.job,
            f"rq:worker:{self._worker}:executions",
        ]
        arguments: list[str | int] = [
            lease.execution,
            lease.job,
            lease.execution,
            refunded,
            keys.ATTEMPTS,
        ]
        return bool(self._requeue_script(keys=job_keys, args=arguments))

    def reap_jobs(self) -> list[str]:
        """Put back what dead workers held; returns the job ids."""
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
        return [job.decode() for job in recovered]

    def repair_orphans(self) -> int:
        """Free what jobs hold that others have deleted; returns how many may run because of it."""
        queue_keys = [keys.PENDING_JOBS, QUEUE_KEY, DEFERRED_REGISTRY]
        return int(
            self._repair_script(
                keys=queue_keys, args=[JOB_PREFIX, keys.QUEUE_TTL_SECONDS, MAX_JOBS_PER_REPAIR]
            )
        )


class Fence:
    """Stands before every outside effect and every write for a job. For the event loop."""

    def __init__(self, connection: AsyncRedis, lease_seconds: float) -> None:
        """Use `connection`; a lease lasts `lease` seconds."""
        self._lease_ms = int(lease_seconds * 1000)
        self._renew_script = connection.register_script(scripts.RENEW_LEASE)
        self._write_script = connection.register_script(scripts.WRITE_FENCED)
        self._set_once_script = connection.register_script(scripts.SET_ONCE_FENCED)

    async def check_lease(self, lease: Lease) -> None:
        """
        Prove that the lease is ours now. Raises `LeaseLostError`; waits while Redis is away.

        An answer that took longer than a lease proves nothing: this process may have slept.
        """
        lease_keys = [keys.job_lease(lease.job), STARTED_REGISTRY]
        is_late = True
        while is_late:
            started = time.monotonic()
            if not await self._renew_script(
                keys=lease_keys, args=[lease.execution, lease.member, self._lease_ms]
            ):
                raise LeaseLostError
            is_late = (time.monotonic() - started) * 1000 >= self._lease_ms

    async def write_fields(self, lease: Lease, fields: dict[str, str], revision: str = "") -> None:
        """
        Write fields on the job's hash if the lease is ours. Raises `LeaseLostError`.

        With a `revision` of the question that is not the newest any more: `EditedError`.
        """
        job_keys = [keys.job_lease(lease.job), STARTED_REGISTRY, JOB_PREFIX + lease.job]
        arguments = [part for field in fields.items() for part in field]
        result = await self._write_script(
            keys=job_keys, args=[lease.execution, lease.member, revision, *arguments]
        )
        if int(result) < 0:
            raise EditedError
        if not result:
            raise LeaseLostError

    async def set_once(self, lease: Lease, field: str, value: str) -> str:
        """Write a field unless it is written; returns what stands there. `LeaseLostError`."""
        job_keys = [keys.job_lease(lease.job), STARTED_REGISTRY, JOB_PREFIX + lease.job]
        stored = await self._set_once_script(
            keys=job_keys, args=[lease.execution, lease.member, field, value]
        )
        if stored is None:
            raise LeaseLostError
        return str(stored)


class Heartbeat:
    """
    Renews all leases of this worker from a thread of its own.

    A slow library call on the event loop then costs nothing, but a loop that has not turned for
    `stall` seconds loses its jobs to a worker that is alive.
    """

    def __init__(
        self,
        connection: redis.Redis,
        lease_seconds: float,
        interval: float,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """Beat every `beat` seconds; `connection` must not wait long."""
        self._stall_seconds = stall_seconds
        self._connection = connection
        self._renew_script = connection.register_script(scripts.RENEW_LEASE)
        self._lease_ms = int(lease_seconds * 1000)
        self._interval = interval
        self._on_lost: Callable[[Lease], object] = log.warning
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._last_tick = time.monotonic()
        self._last_failure = -float("inf")
        self._thread = threading.Thread(
            target=self._renew_periodically, name="heartbeat", daemon=True
        )

    def start_thread(self, on_lost: Callable[[Lease], object]) -> None:
        """Start the thread, which calls `lost` for each lease that is gone."""
        self._on_lost = on_lost
        self._thread.start()

    def stop_thread(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        self._thread.join()

    def record_tick(self) -> None:
        """Say that the event loop turns."""
        self._last_tick = time.monotonic()

    def add_lease(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        with self._lock:
            self._leases[lease.job] = lease

    def remove_lease(self, lease: Lease) -> None:
        """Renew this lease no longer."""
        with self._lock:
            if self._leases.get(lease.job) == lease:
                del self._leases[lease.job]

    def is_healthy(self) -> bool:
        """Tell whether the loop turns and the thread runs."""
        return self._thread.is_alive() and time.monotonic() - self._last_tick < self._stall_seconds

    def seconds_since_failure(self) -> float:
        """Return the seconds since Redis last failed to answer a beat."""
        return time.monotonic() - self._last_failure

    def _renew_periodically(self) -> None:
        while not self._stopping.wait(self._interval):
            if time.monotonic() - self._last_tick >= self._stall_seconds:
                log.error("event loop stalled", seconds=round(time.monotonic() - self._last_tick))
                continue
            try:
                self._renew_leases()
            except redis.RedisError as error:
                self._last_failure = time.monotonic()
                log.warning("heartbeat failed", error=type(error).__name__)

    def _renew_leases(self) -> None:
        with self._lock:
            leases = list(self._leases.values())
        with self._connection.pipeline(transaction=False) as pipeline:
            pipeline.ping()
            for lease in leases:
                lease_keys = [keys.job_lease(lease.job), STARTED_REGISTRY]
                self._renew_script(
                    keys=lease_keys,
                    args=[lease.execution, lease.member, self._lease_ms],
                    client=pipeline,
                )
            _, *renewed = pipeline.execute()
        for lease, is_renewed in zip(leases, renewed, strict=True):
            if not is_renewed:
                self.remove_lease(lease)
                self._on_lost(lease)
