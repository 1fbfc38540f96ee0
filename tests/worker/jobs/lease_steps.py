"""Steps of leases: dequeued and running jobs, and the expiry of a lease."""

import time
from uuid import uuid4

import redis

from contract import keys
from worker.jobs.leases import (
    INTERMEDIATE_QUEUE,
    JOB_PREFIX,
    QUEUE_KEY,
    STARTED_REGISTRY,
    Lease,
    LeaseManager,
)

LONG_LEASE_SECONDS = 30.0
SHORT_LEASE_SECONDS = 0.3


def dequeue_job(client: redis.Redis, status: str = "queued") -> str:
    """Return a job id that a worker has just dequeued."""
    job = f"T1-C1-{uuid4().hex}"
    client.hset(JOB_PREFIX + job, "status", status)
    client.lpush(INTERMEDIATE_QUEUE, job)
    return job


def start_job(client: redis.Redis, leases: LeaseManager) -> Lease:
    """Return the lease of a running job."""
    job = dequeue_job(client)
    assert leases.claim_lease(job, "token") == 1
    lease = Lease(job, uuid4().hex)
    client.zadd(STARTED_REGISTRY, {lease.member: time.time() + 60})
    leases.bind_execution(lease)
    client.lrem(INTERMEDIATE_QUEUE, 1, job)
    return lease


def queued_jobs(client: redis.Redis) -> list[str]:
    """Return the queue, its front first."""
    return [job.decode() for job in client.lrange(QUEUE_KEY, 0, -1)]  # type: ignore[union-attr]


def wait_until_expired(client: redis.Redis, job: str) -> None:
    """Wait until a lease has expired by Redis' clock."""
    remaining_ms = client.pttl(keys.job_lease(job))
    time.sleep(max(0, int(str(remaining_ms))) / 1000 + 0.02)
    assert not client.exists(keys.job_lease(job))
