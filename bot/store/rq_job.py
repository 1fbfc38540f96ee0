"""RQ's job hash: built from a job, and decoded from its payload."""

import zlib
from datetime import UTC, datetime
from typing import Any, Final

from redis import Redis
from rq import Retry
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from contract import keys
from contract.job import (
    FUNCTION_NAME,
    JOB_DESCRIPTION,
    MAX_DECOMPRESSED_BYTES,
    QUEUE_NAME,
    Job,
)

RQ_JOB_TIMEOUT_SECONDS: Final = 900
"""Run time after which RQ's own tools consider a job stuck."""
MAX_RQ_RETRIES: Final = 3
"""Retries by RQ's own tools of a job whose worker died."""


def build_rq_job_hash(redis: Redis, job: str, payload: str) -> dict[str, Any]:
    """Return the fields of a job's hash, as RQ stores them; an unread job's `payload` is empty."""
    rq_job = RqJob.create(
        FUNCTION_NAME,
        args=[payload],
        connection=redis,
        id=job,
        origin=QUEUE_NAME,
        description=JOB_DESCRIPTION,
        timeout=RQ_JOB_TIMEOUT_SECONDS,
        result_ttl=keys.SECONDS_PER_HOUR,
        failure_ttl=keys.TEXT_TTL_SECONDS,
        retry=Retry(max=MAX_RQ_RETRIES, enqueue_at_front=True),
        status=JobStatus.QUEUED,
        serializer=JSONSerializer,
    )
    rq_job.enqueued_at = datetime.now(UTC)
    return rq_job.to_dict() | {"status": JobStatus.QUEUED.value}


def decode_payload(redis: Redis, job: str, data: bytes | str) -> Job | None:
    """Decode the `data` field of a job's hash; `None` if it holds no valid job."""
    rq_job = RqJob(job, connection=redis, serializer=JSONSerializer)
    try:
        packed = data if isinstance(data, bytes) else data.encode()
        # The limit cuts a decompression bomb, which is no valid JSON then.
        rq_job.data = zlib.decompressobj().decompress(packed, MAX_DECOMPRESSED_BYTES)
        return Job.from_json(rq_job.args[0])
    except (zlib.error, ValueError, TypeError, LookupError):
        return None
