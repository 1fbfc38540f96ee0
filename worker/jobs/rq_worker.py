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
from worker.jobs.leases import (
    DEFERRED_REGISTRY,
    INTERMEDIATE_QUEUE,
    JOB_PREFIX,
    QUEUE_KEY,
    Lease,
    LeaseManager,
)

log = structlog.get_logger()

QUARANTINE: Final = "starchat:quarantine"
"""Sorted set of the ids that nobody could read, by the time they were set aside (s)."""
MAX_QUARANTINED_JOBS: Final = 1000
EXECUTION_TTL_SECONDS: Final = 3600
"""Seconds after which RQ's own tools take an execution for dead; our reaper is faster."""
COMPRESSED_FIELDS: Final = ("data", "exc_info")
"""Fields of a job's hash that RQ unpacks, whatever they unpack to."""
TERMINAL_STATUSES: Final = (None, b"finished", b"failed", b"stopped", b"canceled")
"""States of a job that nobody needs to run any more."""


class RqJobData(RqJob):
    """An RQ job as data only: nothing that its hash names is imported, called or fetched."""

    @property
    def func(self) -> NoReturn:
        """There is none: the worker has one fixed handler."""
        raise BadJobError("a job's function is never looked up")

    success_callback = failure_callback = stopped_callback = func

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        """Call no address that stands in Redis."""


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this worker may run. `age` is how many seconds ago it was accepted."""

    rq_job: RqJob
    execution: Execution
    lease: Lease
    job: Job
    age_seconds: float
    revision: str = "0"


class RqWorker(BaseWorker):
    """Registers as an RQ worker; begins and ends jobs in RQ's records. For threads."""

    def __init__(
        self, connection: redis.Redis, name: str, leases: LeaseManager, result_ttl: int
    ) -> None:
        """`connection` must not decode responses: RQ's payloads are compressed."""
        queue = Queue(
            QUEUE_NAME, connection=connection, serializer=JSONSerializer, job_class=RqJobData
        )
        super().__init__(
            [queue],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            job_class=RqJobData,
            worker_ttl=60,
            default_result_ttl=result_ttl,
            log_job_description=False,
        )
        self._queue = queue
        self._leases = leases
        self._result_ttl = result_ttl
        self._finish_script = connection.register_script(FINISH)
        self._quarantine_script = connection.register_script(scripts.QUARANTINE)

    dequeue_timeout = 1
    """Seconds that one look at the queue waits."""
    connection_timeout = 10

    def get_heartbeat_ttl(self, *_: Any, **__: Any) -> int:
        """Return the seconds after which RQ's own tools may take an execution for dead."""
        return EXECUTION_TTL_SECONDS

    def procline(self, message: str) -> None:
        """Leave the process's title alone."""

    def send_heartbeat(self) -> None:
        """Tell RQ's tools that the worker is alive, and register again if Redis forgot it."""
        state = WorkerStatus.BUSY if self.executions else WorkerStatus.IDLE
        with self.connection.pipeline() as pipeline:
            self.heartbeat(pipeline=pipeline)
            self.set_state(state, pipeline=pipeline)
            is_missing = pipeline.execute()[0]
            if is_missing:
                pipeline.hset(self.key, mapping=self.serialize())
                worker_registration.register(self, pipeline)
                pipeline.execute()

    def remove_expired_jobs(self) -> None:
        """Strike from RQ's lists what has expired: the lists have no end of their own."""
        for registry in (self._queue.finished_job_registry, self._queue.failed_job_registry):
            registry.cleanup()

    def dequeue_job_id(self) -> str | None:
        """Take the next id off the list; `None` if none came within `dequeue_timeout`."""
        try:
            _, job = Queue.lmove(self.connection, self._queue.key, self.dequeue_timeout)
        except DequeueTimeout:
            return None
        return str(job, "utf-8", "replace")

    def return_job_id(self, job: str) -> None:
        """Put an id that was taken off the list and not claimed back where it was."""
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(INTERMEDIATE_QUEUE, 1, job)
            pipeline.lpush(QUEUE_KEY, job)
            pipeline.execute()

    def claim_job(self, job: str) -> ClaimedJob | None:
        """Claim a job and record that it runs; `None` if it is not ours to run."""
        token = uuid4().hex
        verdict = self._leases.claim_lease(job, token)
        if verdict != 1:
            if (
                verdict < 0
                and self.connection.hget(JOB_PREFIX + job, "status") in TERMINAL_STATUSES
            ):
                self.release_quota(job)
            log.info("job skipped", job=job, over=verdict < 0)
            return None
        # Read before the payload: an edit between the two is noticed once more, never missed.
        revision = self.connection.hget(JOB_PREFIX + job, keys.REVISION)
        try:
            rq_job, payload = self._fetch_job(job)
        except BadJobError:
            self._quarantine_job(job)
            return None
        execution = self.prepare_execution(rq_job)
        lease = Lease(job, execution.id)
        self._leases.bind_execution(lease)
        self.prepare_job_execution(rq_job, remove_from_intermediate_queue=True)
        revision_text = revision.decode("utf-8", "replace") if isinstance(revision, bytes) else "0"
        return ClaimedJob(rq_job, execution, lease, payload, self._measure_age(job), revision_text)

    def _fetch_job(self, job: str) -> tuple[RqJob, Job]:
        try:
            for name in COMPRESSED_FIELDS:
                _check_length(self.connection.hstrlen(JOB_PREFIX + job, name))
                _check_unpacked_length(self.connection.hget(JOB_PREFIX + job, name))
            rq_job = RqJobData.fetch(job, connection=self.connection, serializer=JSONSerializer)
            payload = Job.from_json(rq_job.args[0])
        except (redis.ConnectionError, redis.TimeoutError):
            raise
        except Exception as error:
            # Whoever may write to Redis may write anything there, and RQ reads all of it.
            raise BadJobError(type(error).__name__) from error
        if payload.id != job:
            raise BadJobError("a job under another job's id")
        rq_job.repeats_left = None
        rq_job.retries_left = 0
        rq_job.group_id = None
        rq_job.result_ttl = self._result_ttl
        rq_job.failure_ttl = keys.TEXT_TTL_SECONDS
        return rq_job, payload

    def _quarantine_job(self, job: str) -> None:
        log.error("unreadable job quarantined", job=job)
        job_keys = [QUARANTINE, JOB_PREFIX + job, INTERMEDIATE_QUEUE, keys.job_lease(job)]
        self._quarantine_script(
            keys=job_keys, args=[job, MAX_QUARANTINED_JOBS, keys.TEXT_TTL_SECONDS]
        )
        self.release_quota(job)

    def _measure_age(self, job: str) -> float:
        with self.connection.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.zscore(keys.PENDING_JOBS, job)
            (seconds, micro), accepted_at = pipeline.execute()
        return 0.0 if accepted_at is None else max(0.0, seconds + micro / 1e6 - accepted_at)

    def release_quota(self, job: str) -> None:
        """Release the job's lane and its person's slot, and make the next job runnable."""
        queue_keys = [keys.PENDING_JOBS, JOB_PREFIX + job, QUEUE_KEY, DEFERRED_REGISTRY]
        self._finish_script(keys=queue_keys, args=[job, JOB_PREFIX, keys.QUEUE_TTL_SECONDS])

    def record_withdrawal(self, claimed: ClaimedJob, outcome: str) -> None:
        """Record that a job is over and keep nothing of it: its question was deleted."""
        claimed.rq_job.result_ttl = 0
        self.record_success(claimed, outcome)

    def record_success(self, claimed: ClaimedJob, outcome: str) -> None:
        """Record a finished job as RQ does; nothing stays of one whose question was deleted."""
        rq_job = claimed.rq_job
        if self.connection.hexists(rq_job.key, keys.WITHDRAWN):
            rq_job.result_ttl = 0
        rq_job.ended_at = now()
        rq_job._result = {"outcome": outcome}  # noqa: SLF001
        rq_job._status = JobStatus.FINISHED  # noqa: SLF001
        self.handle_job_success(
            job=rq_job,
            queue=self._queue,
            started_job_registry=self._queue.started_job_registry,
            execution=claimed.execution,
        )
        self._leases.release_lease(claimed.lease)

    def record_failure(self, claimed: ClaimedJob, outcome: str) -> None:
        """Record a failed job as RQ does; `outcome` is a word, never a text of anybody."""
        claimed.rq_job.ended_at = now()
        self.handle_job_failure(
            job=claimed.rq_job,
            queue=self._queue,
            started_job_registry=self._queue.started_job_registry,
            exc_string=outcome,
            execution=claimed.execution,
        )
        self._leases.release_lease(claimed.lease)

    def requeue_job(self, claimed: ClaimedJob, refunded: int) -> bool:
        """Put a job back at the front of the queue; False if it is another's by now."""
        requeued = self._leases.requeue_job(claimed.lease, refunded)
        self.executions.pop(claimed.execution.id, None)
        return requeued

    def forget_execution(self, claimed: ClaimedJob) -> None:
        """Leave a job alone that is another's now."""
        self.executions.pop(claimed.execution.id, None)


def _check_length(length: int) -> None:
    if length > MAX_JOB_BYTES:
        raise BadJobError("longer than a job may be")


def _check_unpacked_length(compressed: object) -> None:
    """Refuse what unpacks to more than a job: RQ would unpack all of it, a thousandfold."""
    if not isinstance(compressed, bytes):
        return
    try:
        length = len(zlib.decompressobj().decompress(compressed, MAX_DECOMPRESSED_BYTES + 1))
    except zlib.error:
        return
    if length > MAX_DECOMPRESSED_BYTES:
        raise BadJobError("longer than a job may be, once it is unpacked")
