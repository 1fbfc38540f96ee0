"""RQ's side of the worker, blocking: what RQ's own tools see, and RQ's own records of each job."""

import zlib
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from uuid import uuid4

import redis
import structlog
from rq import Queue, worker_registration
from rq.exceptions import DequeueTimeout
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker.base import BaseWorker, WorkerStatus

from contract import keys
from contract.job import MAX_DECOMPRESSED_BYTES, MAX_JOB_BYTES, QUEUE_NAME, BadJobError, Job
from contract.scripts import FINISH
from worker import scripts
from worker.jobs.leases import DEFERRED, INTERMEDIATE, JOB, QUEUE_KEY, Claims, Lease

log = structlog.get_logger()

ASIDE: Final = "starchat:aside"
"""Sorted set of the ids that nobody could read, by the time they were set aside (s)."""
ASIDE_MOST: Final = 1000
EXECUTION_TTL: Final = 3600
"""Seconds after which RQ's own tools take an execution for dead; our reaper is faster."""
PACKED: Final = ("data", "exc_info")
"""Fields of a job's hash that RQ unpacks, whatever they unpack to."""
OVER: Final = (None, b"finished", b"failed", b"stopped", b"canceled")
"""States of a job that nobody needs to run any more."""


class Turn(RqJob):
    """An RQ job as data only: nothing that its hash names is imported, called or fetched."""

    @property
    def func(self) -> NoReturn:
        """There is none: the worker has one fixed handler."""
        raise BadJobError("a job's function is never looked up")

    success_callback = failure_callback = stopped_callback = func

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        """Call no address that stands in Redis."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that this worker may run. `age` is how many seconds ago it was accepted."""

    turn: RqJob
    execution: Execution
    lease: Lease
    job: Job
    age: float
    revision: str = "0"


class RqWorker(BaseWorker):
    """Registers as an RQ worker; begins and ends jobs in RQ's records. For threads."""

    def __init__(self, connection: redis.Redis, name: str, claims: Claims, result_ttl: int) -> None:
        """`connection` must not decode responses: RQ's payloads are compressed."""
        queue = Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer, job_class=Turn)
        super().__init__(
            [queue],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            job_class=Turn,
            worker_ttl=60,
            default_result_ttl=result_ttl,
            log_job_description=False,
        )
        self._queue = queue
        self._claims = claims
        self._result_ttl = result_ttl
        self._finish = connection.register_script(FINISH)
        self._aside = connection.register_script(scripts.ASIDE)

    dequeue_timeout = 1
    """Seconds that one look at the queue waits."""
    connection_timeout = 10

    def get_heartbeat_ttl(self, *_: Any, **__: Any) -> int:
        """Return the seconds after which RQ's own tools may take an execution for dead."""
        return EXECUTION_TTL

    def procline(self, message: str) -> None:
        """Leave the process's title alone."""

    def beat(self) -> None:
        """Tell RQ's tools that the worker is alive, and register again if Redis forgot it."""
        state = WorkerStatus.BUSY if self.executions else WorkerStatus.IDLE
        with self.connection.pipeline() as pipeline:
            self.heartbeat(pipeline=pipeline)
            self.set_state(state, pipeline=pipeline)
            forgotten = pipeline.execute()[0]
            if forgotten:
                pipeline.hset(self.key, mapping=self.serialize())
                worker_registration.register(self, pipeline)
                pipeline.execute()

    def tidy(self) -> None:
        """Strike from RQ's lists what has expired: the lists have no end of their own."""
        for registry in (self._queue.finished_job_registry, self._queue.failed_job_registry):
            registry.cleanup()

    def dequeue(self) -> str | None:
        """Take the next id off the list; `None` if none came within `dequeue_timeout`."""
        try:
            _, job = Queue.lmove(self.connection, self._queue.key, self.dequeue_timeout)
        except DequeueTimeout:
            return None
        return str(job, "utf-8", "replace")

    def put_back(self, job: str) -> None:
        """Put an id that was taken off the list and not claimed back where it was."""
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(INTERMEDIATE, 1, job)
            pipeline.lpush(QUEUE_KEY, job)
            pipeline.execute()

    def begin(self, job: str) -> Taken | None:
        """Claim a job and record that it runs; `None` if it is not ours to run."""
        token = uuid4().hex
        claimed = self._claims.claim(job, token)
        if claimed != 1:
            if claimed < 0 and self.connection.hget(JOB + job, "status") in OVER:
                self.let_go(job)
            log.info("job passed over", job=job, over=claimed < 0)
            return None
        # Read before the payload: an edit between the two is noticed once more, never missed.
        revision = self.connection.hget(JOB + job, keys.REVISION)
        try:
            turn, payload = self._read(job)
        except BadJobError:
            self._set_aside(job)
            return None
        execution = self.prepare_execution(turn)
        lease = Lease(job, execution.id)
        self._claims.name(lease)
        self.prepare_job_execution(turn, remove_from_intermediate_queue=True)
        revised = revision.decode("utf-8", "replace") if isinstance(revision, bytes) else "0"
        return Taken(turn, execution, lease, payload, self._age(job), revised)

    def _read(self, job: str) -> tuple[RqJob, Job]:
        try:
            for name in PACKED:
                _bounded(self.connection.hstrlen(JOB + job, name))
                _unpackable(self.connection.hget(JOB + job, name))
            turn = Turn.fetch(job, connection=self.connection, serializer=JSONSerializer)
            payload = Job.from_json(turn.args[0])
        except (redis.ConnectionError, redis.TimeoutError):
            raise
        except Exception as error:
            # Whoever may write to Redis may write anything there, and RQ reads all of it.
            raise BadJobError(type(error).__name__) from error
        if payload.id != job:
            raise BadJobError("a job under another job's id")
        turn.repeats_left = None
        turn.retries_left = 0
        turn.group_id = None
        turn.result_ttl = self._result_ttl
        turn.failure_ttl = keys.TEXT_TTL_SECONDS
        return turn, payload

    def _set_aside(self, job: str) -> None:
        log.error("job unreadable, set aside", job=job)
        held = [ASIDE, JOB + job, INTERMEDIATE, keys.job_lease(job)]
        self._aside(keys=held, args=[job, ASIDE_MOST, keys.TEXT_TTL_SECONDS])
        self.let_go(job)

    def _age(self, job: str) -> float:
        with self.connection.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.zscore(keys.PENDING_JOBS, job)
            (seconds, micro), accepted = pipeline.execute()
        return 0.0 if accepted is None else max(0.0, seconds + micro / 1e6 - accepted)

    def let_go(self, job: str) -> None:
        """Release the job's lane and its person's slot, and make the next job runnable."""
        held = [keys.PENDING_JOBS, JOB + job, QUEUE_KEY, DEFERRED]
        self._finish(keys=held, args=[job, JOB, keys.QUEUE_TTL_SECONDS])

    def withdraw(self, taken: Taken, outcome: str) -> None:
        """Record that a job is over and keep nothing of it: its question was deleted."""
        taken.turn.result_ttl = 0
        self.succeed(taken, outcome)

    def succeed(self, taken: Taken, outcome: str) -> None:
        """Record a finished job as RQ does; nothing stays of one whose question was deleted."""
        turn = taken.turn
        if self.connection.hexists(turn.key, keys.WITHDRAWN):
            turn.result_ttl = 0
        turn.ended_at = now()
        turn._result = {"outcome": outcome}  # noqa: SLF001
        turn._status = JobStatus.FINISHED  # noqa: SLF001
        self.handle_job_success(
            job=turn,
            queue=self._queue,
            started_job_registry=self._queue.started_job_registry,
            execution=taken.execution,
        )
        self._claims.release(taken.lease)

    def fail(self, taken: Taken, outcome: str) -> None:
        """Record a failed job as RQ does; `outcome` is a word, never a text of anybody."""
        taken.turn.ended_at = now()
        self.handle_job_failure(
            job=taken.turn,
            queue=self._queue,
            started_job_registry=self._queue.started_job_registry,
            exc_string=outcome,
            execution=taken.execution,
        )
        self._claims.release(taken.lease)

    def give_back(self, taken: Taken, uncharged: int) -> bool:
        """Put a job back at the front of the queue; False if it is another's by now."""
        given = self._claims.give_back(taken.lease, uncharged)
        self.executions.pop(taken.execution.id, None)
        return given

    def forget(self, taken: Taken) -> None:
        """Leave a job alone that is another's now."""
        self.executions.pop(taken.execution.id, None)


def _bounded(length: int) -> None:
    if length > MAX_JOB_BYTES:
        raise BadJobError("longer than a job may be")


def _unpackable(packed: object) -> None:
    """Refuse what unpacks to more than a job: RQ would unpack all of it, a thousandfold."""
    if not isinstance(packed, bytes):
        return
    try:
        length = len(zlib.decompressobj().decompress(packed, MAX_DECOMPRESSED_BYTES + 1))
    except zlib.error:
        return
    if length > MAX_DECOMPRESSED_BYTES:
        raise BadJobError("longer than a job may be, once it is unpacked")
