"""
RQ jobs as untrusted data.

Redis may hold anything under a job's key, and RQ would import and call what it names.
"""

import zlib
from typing import Any, Final, NoReturn

import redis
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import now, utcformat

from contract.job import MAX_DECOMPRESSED_BYTES, MAX_JOB_BYTES, BadJobError, Job
from worker.jobs.leases import JOB_PREFIX

POISON_ERROR_PREFIXES: Final = ("WRONGTYPE", "hash value is not", "ERR hash value is not")
"""Redis' errors about a key of another type, or a field that is no number."""
COMPRESSED_FIELDS: Final = ("data", "exc_info")
"""Fields of the job hash that RQ decompresses without a limit."""


class RqJobData(RqJob):
    """An RQ job as data only: nothing that its hash names is imported, called or fetched."""

    @property
    def func(self) -> NoReturn:
        """Raises `BadJobError`: the worker has one fixed handler and looks no function up."""
        raise BadJobError("a job's function is never looked up")

    success_callback = failure_callback = stopped_callback = func

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        """Call no webhook: the addresses in Redis are untrusted."""


def fetch_job(connection: redis.Redis, job_id: str) -> tuple[RqJob, Job]:
    """Fetch a job and its payload. Raises `BadJobError` if the job is not one of the bot's."""
    try:
        for name in COMPRESSED_FIELDS:
            _check_length(connection.hstrlen(JOB_PREFIX + job_id, name))
            _check_unpacked_length(connection.hget(JOB_PREFIX + job_id, name))
        rq_job = RqJobData.fetch(job_id, connection=connection, serializer=JSONSerializer)
        job = Job.from_json(rq_job.args[0])
    except (redis.ConnectionError, redis.TimeoutError):
        raise
    except Exception as error:
        # Redis content is untrusted, and RQ parses all of it: any error means a bad job.
        raise BadJobError(type(error).__name__) from error
    if job.id != job_id:
        raise BadJobError("a job under another job's id")
    rq_job.repeats_left = None
    rq_job.retries_left = 0
    rq_job.group_id = None
    return rq_job, job


def write_result(
    pipeline: Any,
    record: tuple[RqJob, Execution],
    outcome: str,
    status: JobStatus,
    ttl_seconds: int,
) -> None:
    """Write a job's end and result for RQ's tools; both expire after `ttl_seconds`."""
    rq_job, execution = record
    is_failure = status is JobStatus.FAILED
    ended_at = rq_job.ended_at or now()
    fields = {"status": status.value, "ended_at": utcformat(ended_at)}
    pipeline.hset(rq_job.key, mapping=fields)
    pipeline.expire(rq_job.key, ttl_seconds)
    registry = rq_job.failed_job_registry if is_failure else rq_job.finished_job_registry
    pipeline.zadd(registry.key, {rq_job.id: int(ended_at.timestamp()) + ttl_seconds})
    Result.create(
        rq_job,
        Result.Type.FAILED if is_failure else Result.Type.SUCCESSFUL,
        ttl_seconds,
        return_value=None if is_failure else {"outcome": outcome},
        exc_string=outcome if is_failure else None,
        worker_name=rq_job.worker_name or "",
        pipeline=pipeline,
        execution_id=execution.id,
        execution_started_at=execution.created_at,
        execution_ended_at=ended_at,
    )


def _check_length(length: int) -> None:
    if length > MAX_JOB_BYTES:
        raise BadJobError("longer than a job may be")


def _check_unpacked_length(compressed: object) -> None:
    """Reject a decompression bomb: RQ would decompress it without a limit."""
    if not isinstance(compressed, bytes):
        return
    try:
        length = len(zlib.decompressobj().decompress(compressed, MAX_DECOMPRESSED_BYTES + 1))
    except zlib.error:
        return
    if length > MAX_DECOMPRESSED_BYTES:
        raise BadJobError("longer than a job may be, once it is unpacked")


def is_poison_error(error: redis.RedisError) -> bool:
    """Return whether a job's own data in Redis causes an error: a retry would not change it."""
    return type(error) is redis.ResponseError and str(error).startswith(POISON_ERROR_PREFIXES)
