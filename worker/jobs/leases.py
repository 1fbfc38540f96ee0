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

JOB: Final = "rq:job:"
EXECUTION: Final = "rq:execution:"
EXECUTIONS: Final = "rq:executions:"
QUEUE_KEY: Final = f"rq:queue:{QUEUE_NAME}"
INTERMEDIATE: Final = f"{QUEUE_KEY}:intermediate"
STARTED: Final = f"rq:wip:{QUEUE_NAME}"
DEFERRED: Final = f"rq:deferred:{QUEUE_NAME}"
LOOKED_AT: Final = 64
"""Waiting jobs that are looked at in one go for others that hold them up."""
SIGHTINGS: Final = "starchat:sightings"
"""Sorted set: since when an id has been seen taken from the list and claimed by nobody."""
RECOVERIES: Final = "starchat_recoveries"
"""Field of the job hash: how often a dead worker's execution of it was put back."""
STALL: Final = 30.0
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


class Claims:
    """Takes, gives back and recovers jobs. Blocking: for threads, never for the event loop."""

    def __init__(self, connection: redis.Redis, lease: float, worker: str) -> None:
        """Use `connection`; a lease lasts `lease` seconds."""
        self._ms = int(lease * 1000)
        self._rest = lease / 2
        self._worker = worker
        self._connection = connection
        self._claim = connection.register_script(scripts.CLAIM)
        self._release = connection.register_script(scripts.RELEASE)
        self._give_back = connection.register_script(scripts.GIVE_BACK)
        self._reap = connection.register_script(scripts.REAP)
        self._heal = connection.register_script(REPAIR_ORPHANS)

    def claim(self, job: str, token: str) -> int:
        """Take a dequeued job. Returns 1, 0 if another execution has it, -1 if it is over."""
        claimed = [keys.job_lease(job), JOB + job, INTERMEDIATE]
        return int(self._claim(keys=claimed, args=[job, token, self._ms]))

    def name(self, lease: Lease) -> None:
        """Put the execution's id in place of the token it was claimed with."""
        self._connection.set(keys.job_lease(lease.job), lease.execution, px=self._ms)

    def release(self, lease: Lease) -> None:
        """Let the lease go after RQ has recorded the end of the job."""
        self._release(keys=[keys.job_lease(lease.job)], args=[lease.execution])

    def give_back(self, lease: Lease, uncharged: int) -> bool:
        """Put the job back at the front, `uncharged` attempts taken off. False if it is lost."""
        held = [
            keys.job_lease(lease.job),
            JOB + lease.job,
            QUEUE_KEY,
            STARTED,
            EXECUTION + lease.member,
            EXECUTIONS + lease.job,
            f"rq:worker:{self._worker}:executions",
        ]
        spent: list[str | int] = [
            lease.execution,
            lease.job,
            lease.execution,
            uncharged,
            keys.ATTEMPTS,
        ]
        return bool(self._give_back(keys=held, args=spent))

    def reap(self) -> list[str]:
        """Put back what dead workers held; returns the job ids."""
        found = self._reap(
            keys=[QUEUE_KEY, INTERMEDIATE, STARTED, SIGHTINGS],
            args=[JOB, EXECUTION, EXECUTIONS, self._rest, RECOVERIES],
        )
        return [job.decode() for job in found]

    def heal(self) -> int:
        """Free what jobs hold that others have deleted; returns how many may run because of it."""
        looked = [keys.PENDING_JOBS, QUEUE_KEY, DEFERRED]
        return int(self._heal(keys=looked, args=[JOB, keys.QUEUE_TTL_SECONDS, LOOKED_AT]))


class Fence:
    """Stands before every outside effect and every write for a job. For the event loop."""

    def __init__(self, connection: AsyncRedis, lease: float) -> None:
        """Use `connection`; a lease lasts `lease` seconds."""
        self._ms = int(lease * 1000)
        self._beat = connection.register_script(scripts.BEAT)
        self._note = connection.register_script(scripts.NOTE)
        self._settle = connection.register_script(scripts.SETTLE)

    async def check(self, lease: Lease) -> None:
        """
        Prove that the lease is ours now. Raises `LeaseLostError`; waits while Redis is away.

        An answer that took longer than a lease proves nothing: this process may have slept.
        """
        held = [keys.job_lease(lease.job), STARTED]
        late = True
        while late:
            asked = time.monotonic()
            if not await self._beat(keys=held, args=[lease.execution, lease.member, self._ms]):
                raise LeaseLostError
            late = (time.monotonic() - asked) * 1000 >= self._ms

    async def note(self, lease: Lease, fields: dict[str, str], revision: str = "") -> None:
        """
        Write fields on the job's hash if the lease is ours. Raises `LeaseLostError`.

        With a `revision` of the question that is not the newest any more: `EditedError`.
        """
        held = [keys.job_lease(lease.job), STARTED, JOB + lease.job]
        flat = [part for field in fields.items() for part in field]
        said = await self._note(keys=held, args=[lease.execution, lease.member, revision, *flat])
        if int(said) < 0:
            raise EditedError
        if not said:
            raise LeaseLostError

    async def settle(self, lease: Lease, field: str, value: str) -> str:
        """Write a field unless it is written; returns what stands there. `LeaseLostError`."""
        held = [keys.job_lease(lease.job), STARTED, JOB + lease.job]
        found = await self._settle(keys=held, args=[lease.execution, lease.member, field, value])
        if found is None:
            raise LeaseLostError
        return str(found)


class Heartbeat:
    """
    Renews all leases of this worker from a thread of its own.

    A slow library call on the event loop then costs nothing, but a loop that has not turned for
    `stall` seconds loses its jobs to a worker that is alive.
    """

    def __init__(
        self, connection: redis.Redis, lease: float, beat: float, stall: float = STALL
    ) -> None:
        """Beat every `beat` seconds; `connection` must not wait long."""
        self._stall = stall
        self._connection = connection
        self._script = connection.register_script(scripts.BEAT)
        self._ms = int(lease * 1000)
        self._every = beat
        self._lost: Callable[[Lease], object] = log.warning
        self._held: dict[str, Lease] = {}
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._ticked = time.monotonic()
        self._failed = -float("inf")
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self, lost: Callable[[Lease], object]) -> None:
        """Start the thread, which calls `lost` for each lease that is gone."""
        self._lost = lost
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._over.set()
        self._thread.join()

    def tick(self) -> None:
        """Say that the event loop turns."""
        self._ticked = time.monotonic()

    def hold(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        with self._guard:
            self._held[lease.job] = lease

    def drop(self, lease: Lease) -> None:
        """Renew this lease no longer."""
        with self._guard:
            if self._held.get(lease.job) == lease:
                del self._held[lease.job]

    def healthy(self) -> bool:
        """Tell whether the loop turns and the thread runs."""
        return self._thread.is_alive() and time.monotonic() - self._ticked < self._stall

    def quiet_for(self) -> float:
        """Return the seconds since Redis last failed to answer a beat."""
        return time.monotonic() - self._failed

    def _run(self) -> None:
        while not self._over.wait(self._every):
            if time.monotonic() - self._ticked >= self._stall:
                log.error("event loop stalled", seconds=round(time.monotonic() - self._ticked))
                continue
            try:
                self._beat()
            except redis.RedisError as error:
                self._failed = time.monotonic()
                log.warning("heartbeat failed", error=type(error).__name__)

    def _beat(self) -> None:
        with self._guard:
            held = list(self._held.values())
        with self._connection.pipeline(transaction=False) as pipeline:
            pipeline.ping()
            for lease in held:
                named = [keys.job_lease(lease.job), STARTED]
                self._script(
                    keys=named,
                    args=[lease.execution, lease.member, self._ms],
                    client=pipeline,
                )
            _, *kept = pipeline.execute()
        for lease, ours in zip(held, kept, strict=True):
            if not ours:
                self.drop(lease)
                self._lost(lease)
