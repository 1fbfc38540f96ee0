"""Leases: one execution acts for a job, and a dead worker's job is requeued once."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
import redis
from redis.asyncio import Redis

from contract import keys
from tests.worker.jobs.lease_steps import (
    LONG_LEASE_SECONDS,
    SHORT_LEASE_SECONDS,
    dequeue_job,
    queued_jobs,
    start_job,
    wait_until_expired,
)
from worker.errors import EditedError, LeaseLostError
from worker.jobs.leases import (
    INTERMEDIATE_QUEUE,
    JOB_PREFIX,
    QUEUE_KEY,
    RECOVERY_COUNT,
    STARTED_REGISTRY,
    Fence,
    Lease,
    LeaseManager,
)


def test_job_is_claimed_once(client: redis.Redis) -> None:
    """Of several workers with the same id, one may run it."""
    leases = LeaseManager(client, LONG_LEASE_SECONDS, "w")
    job = dequeue_job(client)
    client.lpush(INTERMEDIATE_QUEUE, job, job, job)
    with ThreadPoolExecutor(4) as threads:
        verdicts = list(threads.map(lambda n: leases.claim_lease(job, f"token{n}"), range(4)))
    assert sorted(verdicts) == [0, 0, 0, 1]


@pytest.mark.parametrize("status", ["finished", "failed", "canceled", "deferred"])
def test_ended_or_deferred_job_is_not_claimed(client: redis.Redis, status: str) -> None:
    """Its id is dropped."""
    job = dequeue_job(client, status)
    assert LeaseManager(client, LONG_LEASE_SECONDS, "w").claim_lease(job, "token") == -1
    assert client.llen(INTERMEDIATE_QUEUE) == 0


def test_missing_or_malformed_job_is_not_claimed(client: redis.Redis) -> None:
    """Claiming it raises nothing."""
    leases = LeaseManager(client, LONG_LEASE_SECONDS, "w")
    client.set(f"{JOB_PREFIX}T1-strange", "a string")
    client.lpush(INTERMEDIATE_QUEUE, "T1-strange", "T1-nothing")
    assert leases.claim_lease("T1-strange", "token") == -1
    assert leases.claim_lease("T1-nothing", "token") == -1


async def test_running_job_with_expired_lease_is_not_claimed(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Only the reaper takes a running job; a duplicate id on the queue does not."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    wait_until_expired(client, lease.job_id)
    client.lpush(INTERMEDIATE_QUEUE, lease.job_id)
    assert LeaseManager(client, LONG_LEASE_SECONDS, "w2").claim_lease(lease.job_id, "another") == 0
    assert not client.exists(keys.job_lease(lease.job_id))
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    await Fence(loop_client, lease, LONG_LEASE_SECONDS).check_lease()


async def test_fence_rejects_every_token_but_the_holders(
    client: redis.Redis, loop_client: Redis
) -> None:
    """An execution without the lease can neither act nor write."""
    lease = start_job(client, LeaseManager(client, LONG_LEASE_SECONDS, "w"))
    fence = Fence(loop_client, lease, LONG_LEASE_SECONDS)
    stranger = Fence(loop_client, Lease(lease.job_id, "another"), LONG_LEASE_SECONDS)

    await fence.check_lease()
    await fence.write_fields({"starchat_answer": "text"})
    assert await fence.set_once("starchat_placeholder", "1.1") == "1.1"
    assert await fence.set_once("starchat_placeholder", "2.2") == "1.1"
    with pytest.raises(LeaseLostError):
        await stranger.check_lease()
    with pytest.raises(LeaseLostError):
        await stranger.write_fields({"starchat_answer": "other"})
    with pytest.raises(LeaseLostError):
        await stranger.set_once("starchat_outcome", "x")
    assert client.hget(JOB_PREFIX + lease.job_id, "starchat_answer") == b"text"


async def test_write_with_old_revision_is_rejected(client: redis.Redis, loop_client: Redis) -> None:
    """After an edit only writes of the new revision succeed."""
    lease = start_job(client, LeaseManager(client, LONG_LEASE_SECONDS, "w"))
    fence = Fence(loop_client, lease, LONG_LEASE_SECONDS)
    stranger = Fence(loop_client, Lease(lease.job_id, "another"), LONG_LEASE_SECONDS)
    await fence.write_fields({"starchat_answer": "zero"}, "0")
    client.hincrby(JOB_PREFIX + lease.job_id, keys.REVISION, 1)

    with pytest.raises(EditedError):
        await fence.write_fields({"starchat_answer": "old"}, "0")
    await fence.write_fields({"starchat_answer": "new"}, "1")
    await fence.write_fields({"starchat_file_2": "F1"})
    with pytest.raises(LeaseLostError):
        await stranger.write_fields({"starchat_answer": "x"}, "0")
    assert client.hget(JOB_PREFIX + lease.job_id, "starchat_answer") == b"new"


async def test_nothing_is_written_for_a_deleted_job(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A worker restores no data of a purged workspace."""
    lease = start_job(client, LeaseManager(client, LONG_LEASE_SECONDS, "w"))
    fence = Fence(loop_client, lease, LONG_LEASE_SECONDS)
    client.delete(JOB_PREFIX + lease.job_id)
    with pytest.raises(LeaseLostError):
        await fence.write_fields({"starchat_answer": "text"})
    with pytest.raises(LeaseLostError):
        await fence.set_once("starchat_placeholder_owner", "me")
    assert not client.exists(JOB_PREFIX + lease.job_id)


async def test_expired_lease_is_renewed_unless_reaped(
    client: redis.Redis, loop_client: Redis
) -> None:
    """An outage of Redis costs no job; a reaped one stays lost."""
    leases = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    lease = start_job(client, leases)
    fence = Fence(loop_client, lease, LONG_LEASE_SECONDS)
    wait_until_expired(client, lease.job_id)
    await fence.check_lease()
    assert leases.reap_jobs() == []

    client.delete(keys.job_lease(lease.job_id))
    assert leases.reap_jobs() == [lease.job_id]
    with pytest.raises(LeaseLostError):
        await fence.check_lease()


def test_concurrent_reapers_requeue_a_dead_job_once(client: redis.Redis) -> None:
    """The job is at the front, and one recovery is counted."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    client.rpush(QUEUE_KEY, "later")
    wait_until_expired(client, lease.job_id)

    with ThreadPoolExecutor(6) as threads:
        found = list(
            threads.map(
                lambda n: LeaseManager(client, LONG_LEASE_SECONDS, f"w{n}").reap_jobs(), range(6)
            )
        )

    assert list(chain(*found)) == [lease.job_id]
    assert queued_jobs(client) == [lease.job_id, "later"]
    assert client.hget(JOB_PREFIX + lease.job_id, "status") == b"queued"
    assert client.hget(JOB_PREFIX + lease.job_id, RECOVERY_COUNT) == b"1"
    assert client.zcard(STARTED_REGISTRY) == 0


def test_finished_job_is_never_requeued(client: redis.Redis) -> None:
    """Its leftover in the registry is removed."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    client.hset(JOB_PREFIX + lease.job_id, "status", "finished")
    wait_until_expired(client, lease.job_id)
    assert LeaseManager(client, LONG_LEASE_SECONDS, "w").reap_jobs() == []
    assert queued_jobs(client) == []
    assert client.zcard(STARTED_REGISTRY) == 0


def test_unclaimed_id_is_requeued_after_half_a_lease(client: redis.Redis) -> None:
    """A worker that dies before the claim loses no job."""
    job = dequeue_job(client)
    leases = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    assert leases.reap_jobs() == []
    time.sleep(SHORT_LEASE_SECONDS)
    assert leases.reap_jobs() == [job]
    assert queued_jobs(client) == [job]
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    assert leases.reap_jobs() == []


def test_queued_id_is_not_requeued_again(client: redis.Redis) -> None:
    """It keeps its position."""
    job = dequeue_job(client)
    client.rpush(QUEUE_KEY, "earlier", job)
    leases = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    leases.reap_jobs()
    time.sleep(SHORT_LEASE_SECONDS)
    assert leases.reap_jobs() == []
    assert queued_jobs(client) == ["earlier", job]
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    assert not client.hexists(JOB_PREFIX + job, RECOVERY_COUNT)


@pytest.mark.parametrize("status", ["finished", "failed", "canceled", "stopped", "deferred"])
def test_unclaimed_id_of_ended_job_is_not_requeued(client: redis.Redis, status: str) -> None:
    """Its status stays as it is."""
    job = dequeue_job(client, status)
    leases = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    leases.reap_jobs()
    time.sleep(SHORT_LEASE_SECONDS)
    assert leases.reap_jobs() == []
    assert queued_jobs(client) == []
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    assert client.hget(JOB_PREFIX + job, "status") == status.encode()


def test_leftover_execution_does_not_requeue_a_queued_job(client: redis.Redis) -> None:
    """A job that was requeued already is not queued twice."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    wait_until_expired(client, lease.job_id)
    client.hset(JOB_PREFIX + lease.job_id, "status", "queued")
    client.rpush(INTERMEDIATE_QUEUE, lease.job_id)
    assert LeaseManager(client, LONG_LEASE_SECONDS, "w").reap_jobs() == []
    assert queued_jobs(client) == []
    assert client.zcard(STARTED_REGISTRY) == 0


def test_malformed_keys_do_not_stop_the_reaper(client: redis.Redis) -> None:
    """Keys of the wrong type and members without an execution are skipped."""
    client.set(f"{JOB_PREFIX}strange", "a string")
    client.lpush(INTERMEDIATE_QUEUE, "strange")
    client.zadd(STARTED_REGISTRY, {"strange:execution": 1, "nothing": 1, ":": 1})
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    wait_until_expired(client, lease.job_id)
    leases = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    assert leases.reap_jobs() == [lease.job_id]
    time.sleep(SHORT_LEASE_SECONDS)
    assert leases.reap_jobs() == []


def test_requeue_refunds_the_attempt(client: redis.Redis) -> None:
    """A deployment costs no attempt."""
    leases = LeaseManager(client, LONG_LEASE_SECONDS, "w")
    lease = start_job(client, leases)
    client.hset(JOB_PREFIX + lease.job_id, keys.ATTEMPTS, 2)
    client.rpush(QUEUE_KEY, "later")
    assert leases.requeue_job(lease, refunded=1)
    assert queued_jobs(client) == [lease.job_id, "later"]
    assert client.hget(JOB_PREFIX + lease.job_id, keys.ATTEMPTS) == b"1"
    assert client.hget(JOB_PREFIX + lease.job_id, "status") == b"queued"
    assert not client.exists(keys.job_lease(lease.job_id))
    assert not leases.requeue_job(lease, refunded=1)


def test_only_the_holder_requeues_or_releases(client: redis.Redis) -> None:
    """Another token changes nothing."""
    leases = LeaseManager(client, LONG_LEASE_SECONDS, "w")
    lease = start_job(client, leases)
    stranger = Lease(lease.job_id, "another")
    assert not leases.requeue_job(stranger, refunded=0)
    leases.release_lease(stranger)
    assert client.exists(keys.job_lease(lease.job_id))
    leases.release_lease(lease)
    assert not client.exists(keys.job_lease(lease.job_id))
