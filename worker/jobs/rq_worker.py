"""
RQ worker: registers with RQ, claims jobs and records their end in RQ's own structures.

RQ's tools therefore see this worker like any other. All calls block: use them in threads only.
"""

from typing import Any, Final
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
from contract.job import QUEUE_NAME, BadJobError
from contract.scripts import FINISH
from worker import scripts
from worker.jobs.job_context import JobContext, Outcome
from worker.jobs.leases import (
    DEFERRED_REGISTRY,
    INTERMEDIATE_QUEUE,
    JOB_PREFIX,
    QUEUE_KEY,
    Lease,
    LeaseManager,
)
from worker.jobs.rq_job import RqJobData, fetch_job, write_result

log = structlog.get_logger()

QUARANTINE: Final = "starchat:quarantine"
"""Dead letters: sorted set of the ids of unreadable jobs, by the time of their quarantine (s)."""
MAX_QUARANTINED_JOBS: Final = 1000
EXECUTION_TTL_SECONDS: Final = 3600
"""Seconds after which RQ's tools count an execution as dead; the reaper is faster."""
TERMINAL_STATUSES: Final = (None, b"finished", b"failed", b"stopped", b"canceled")
"""Statuses of a job that must not run again; None is a job without a hash."""


class RqWorker(BaseWorker):
    """RQ worker with one fixed handler and leases instead of a process per job."""

    def __init__(
        self, connection: redis.Redis, name: str, leases: LeaseManager, result_ttl: int
    ) -> None:
        """`connection` must not decode responses, because RQ's payloads are compressed."""
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
        self._records: dict[str, tuple[RqJob, Execution]] = {}
        self._finish_script = connection.register_script(FINISH)
        self._quarantine_script = connection.register_script(scripts.QUARANTINE)

    dequeue_timeout = 1
    """Seconds that one look at the queue waits."""
    connection_timeout = 10

    def get_heartbeat_ttl(self, *_: Any, **__: Any) -> int:
        """Return the seconds after which RQ's tools may count an execution as dead."""
        return EXECUTION_TTL_SECONDS

    def _set_ip_address(self, connection: redis.Redis) -> None:
        """
        Record this worker's address for RQ's tools.

        The address of a unix socket is a path. redis-py can't parse one with a blank or a `=`.
        """
        try:
            super()._set_ip_address(connection)
        except (KeyError, ValueError):
            self.ip_address = "unknown"

    def procline(self, message: str) -> None:
        """Leave the process title alone."""

    def send_heartbeat(self) -> None:
        """Report to RQ's tools that the worker is alive; register again if Redis lost it."""
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
        """Remove expired jobs from RQ's finished and failed registries, which grow otherwise."""
        for registry in (self._queue.finished_job_registry, self._queue.failed_job_registry):
            registry.cleanup()

    def dequeue_job_id(self) -> str | None:
        """Dequeue the next job id; `None` if none arrives within `dequeue_timeout`."""
        try:
            _, job_id = Queue.lmove(self.connection, self._queue.key, self.dequeue_timeout)
        except DequeueTimeout:
            return None
        return str(job_id, "utf-8", "replace")

    def return_job_id(self, job_id: str) -> None:
        """Put a dequeued but unclaimed job id back at the front of the queue."""
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(INTERMEDIATE_QUEUE, 1, job_id)
            pipeline.lpush(QUEUE_KEY, job_id)
            pipeline.execute()

    def claim_job(self, job_id: str) -> JobContext | None:
        """Claim a job and record that it runs; `None` if this worker must not run it."""
        verdict = self._leases.claim_lease(job_id, uuid4().hex)
        if verdict != 1:
            self._skip_job(job_id, is_over=verdict < 0)
            return None
        # Read before the payload: an edit between the two is noticed once more, never missed.
        revision = self.connection.hget(JOB_PREFIX + job_id, keys.REVISION)
        try:
            rq_job, job = fetch_job(self.connection, job_id)
        except BadJobError:
            self.quarantine_job(job_id)
            return None
        execution = self.prepare_execution(rq_job)
        lease = Lease(job_id, execution.id)
        self._leases.bind_execution(lease)
        self._record_start(rq_job)
        self._records[execution.id] = (rq_job, execution)
        revision_text = revision.decode("utf-8", "replace") if isinstance(revision, bytes) else "0"
        return JobContext(job, lease, self._measure_age(job_id), revision_text)

    def _record_start(self, rq_job: RqJob) -> None:
        """Record the start as RQ's `prepare_job_execution` does, but keep the TTL of the hash."""
        with self.connection.pipeline() as pipeline:
            self.heartbeat(EXECUTION_TTL_SECONDS, pipeline=pipeline)
            rq_job.prepare_for_execution(self.name, pipeline=pipeline)
            # If the job was deleted in between, this created its hash again.
            pipeline.expire(rq_job.key, keys.QUEUE_TTL_SECONDS, nx=True)
            pipeline.lrem(INTERMEDIATE_QUEUE, 1, rq_job.id)
            pipeline.execute()

    def _skip_job(self, job_id: str, *, is_over: bool) -> None:
        if is_over and self.connection.hget(JOB_PREFIX + job_id, "status") in TERMINAL_STATUSES:
            self.release_quota(job_id)
        log.info("job skipped", job=job_id, over=is_over)

    def quarantine_job(self, job_id: str) -> None:
        """Set a job aside that no worker can run, and release what it holds."""
        log.error("unreadable job quarantined", job=job_id)
        job_keys = [QUARANTINE, JOB_PREFIX + job_id, INTERMEDIATE_QUEUE, keys.job_lease(job_id)]
        self._quarantine_script(
            keys=job_keys, args=[job_id, MAX_QUARANTINED_JOBS, keys.TEXT_TTL_SECONDS]
        )
        self.release_quota(job_id)

    def _measure_age(self, job_id: str) -> float:
        with self.connection.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.zscore(keys.PENDING_JOBS, job_id)
            (seconds, micro), accepted_at = pipeline.execute()
        return 0.0 if accepted_at is None else max(0.0, seconds + micro / 1e6 - accepted_at)

    def release_quota(self, job_id: str) -> None:
        """Release the job's place in its thread and its user's quota; enqueue the next job."""
        queue_keys = [keys.PENDING_JOBS, JOB_PREFIX + job_id, QUEUE_KEY, DEFERRED_REGISTRY]
        self._finish_script(keys=queue_keys, args=[job_id, JOB_PREFIX, keys.QUEUE_TTL_SECONDS])

    def record_success(self, context: JobContext, outcome: str) -> None:
        """Record a finished job in RQ, then release its lease."""
        self._record_end(context, outcome, JobStatus.FINISHED, self._result_ttl)

    def record_failure(self, context: JobContext, outcome: str) -> None:
        """Record a failed job in RQ, then release its lease. `outcome` contains no user text."""
        self._record_end(context, outcome, JobStatus.FAILED, keys.TEXT_TTL_SECONDS)

    def record_outcome(self, context: JobContext, outcome: Outcome) -> None:
        """Record the end of a job in RQ, as its outcome demands."""
        record = self.record_success
        if outcome is Outcome.WITHDRAWN:
            record = self.record_withdrawal
        elif outcome in {Outcome.ERROR_POSTED, Outcome.UNSENT}:
            record = self.record_failure
        record(context, str(outcome))

    def record_withdrawal(self, context: JobContext, outcome: str) -> None:
        """Delete a job whose question was deleted, then release its lease."""
        self._record_end(context, outcome, JobStatus.FINISHED, 0)

    def _record_end(
        self, context: JobContext, outcome: str, status: JobStatus, ttl_seconds: int
    ) -> None:
        """
        Record the end as RQ's handlers do, but without the job's arguments.

        RQ would write the arguments again, and with them people's text. A job that was deleted
        since, or accepted again, is not changed.
        """
        rq_job, execution = self._records[context.lease.execution_id]
        rq_job.ended_at = now()

        def write_end(pipeline: Any) -> None:
            current_status, withdrawn = pipeline.hmget(rq_job.key, "status", keys.WITHDRAWN)
            pipeline.multi()
            if current_status == b"started" and (withdrawn or not ttl_seconds):
                pipeline.delete(rq_job.key)
            elif current_status == b"started":
                write_result(pipeline, (rq_job, execution), outcome, status, ttl_seconds)
                self._count_end(pipeline, rq_job, status)
            self.cleanup_execution(rq_job, pipeline=pipeline, execution=execution)

        self.connection.transaction(write_end, rq_job.key)
        self._release_lease(context)

    def _count_end(self, pipeline: Any, rq_job: RqJob, status: JobStatus) -> None:
        if status is JobStatus.FAILED:
            self.increment_failed_job_count(pipeline)
        else:
            self.increment_successful_job_count(pipeline)
        if rq_job.started_at and rq_job.ended_at:
            self.increment_total_working_time(rq_job.ended_at - rq_job.started_at, pipeline)

    def requeue_job(self, context: JobContext, refunded: int, *, to_back: bool = False) -> bool:
        """Put a job back on the queue; False if another worker has its lease."""
        requeued = self._leases.requeue_job(context.lease, refunded, to_back=to_back)
        self.forget_execution(context)
        return requeued

    def forget_execution(self, context: JobContext) -> None:
        """Drop this worker's memory of an execution whose lease is lost or released."""
        self.executions.pop(context.lease.execution_id, None)
        self._records.pop(context.lease.execution_id, None)

    def _release_lease(self, context: JobContext) -> None:
        self._leases.release_lease(context.lease)
        self.forget_execution(context)
