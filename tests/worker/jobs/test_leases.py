"""Leases: one execution may act for a job, and what a dead one held is put back once."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from uuid import uuid4

import pytest
import redis
from redis.asyncio import Redis

from contract import keys
from testing.redis_server import RedisServer
from worker.errors import EditedError, LeaseLostError
from worker.jobs.heartbeat import Heartbeat
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

LONG_LEASE_SECONDS = 30.0
SHORT_LEASE_SECONDS = 0.3


def dequeue_job(client: redis.Redis, status: str = "queued") -> str:
    """Return a job that RQ's list has just given out."""
    job = f"T1-C1-{uuid4().hex}"
    client.hset(JOB_PREFIX + job, "status", status)
    client.lpush(INTERMEDIATE_QUEUE, job)
    return job


def start_job(client: redis.Redis, leases: LeaseManager) -> Lease:
    """Return the lease of a job that runs, as the worker leaves it behind."""
    job = dequeue_job(client)
    assert leases.claim_lease(job, "token") == 1
    lease = Lease(job, uuid4().hex)
    client.zadd(STARTED_REGISTRY, {lease.member: time.time() + 60})
    leases.bind_execution(lease)
    client.lrem(INTERMEDIATE_QUEUE, 1, job)
    return lease


def queued_jobs(client: redis.Redis) -> list[str]:
    """Return what is on the queue, the front first."""
    return [job.decode() for job in client.lrange(QUEUE_KEY, 0, -1)]  # type: ignore[union-attr]


def wait_until_expired(client: redis.Redis, job: str) -> None:
    """Wait until a lease has run out by Redis' clock."""
    remaining_ms = client.pttl(keys.job_lease(job))
    time.sleep(max(0, int(str(remaining_ms))) / 1000 + 0.02)
    assert not client.exists(keys.job_lease(job))


def test_a_job_is_claimed_once(client: redis.Redis) -> None:
    """Of many workers that were given the same id, one may run it."""
    claims = LeaseManager(client, LONG_LEASE_SECONDS, "w")
    job = dequeue_job(client)
    client.lpush(INTERMEDIATE_QUEUE, job, job, job)
    with ThreadPoolExecutor(4) as threads:
        verdicts = list(threads.map(lambda n: claims.claim_lease(job, f"token{n}"), range(4)))
    assert sorted(verdicts) == [0, 0, 0, 1]


@pytest.mark.parametrize("status", ["finished", "failed", "canceled", "deferred"])
def test_a_job_that_is_over_is_not_claimed(client: redis.Redis, status: str) -> None:
    """An id whose job has ended, or is not to run yet, is dropped."""
    job = dequeue_job(client, status)
    assert LeaseManager(client, LONG_LEASE_SECONDS, "w").claim_lease(job, "token") == -1
    assert client.llen(INTERMEDIATE_QUEUE) == 0


def test_a_job_without_a_hash_or_of_a_wrong_kind_is_not_claimed(client: redis.Redis) -> None:
    """Whatever stands under a job's name, claiming it raises nothing."""
    claims = LeaseManager(client, LONG_LEASE_SECONDS, "w")
    client.set(f"{JOB_PREFIX}T1-strange", "a string")
    client.lpush(INTERMEDIATE_QUEUE, "T1-strange", "T1-nothing")
    assert claims.claim_lease("T1-strange", "token") == -1
    assert claims.claim_lease("T1-nothing", "token") == -1


async def test_a_job_that_runs_is_not_claimed_although_its_lease_ran_out(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Only the reaper takes a job from whoever runs it: a second id in the list does not."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    wait_until_expired(client, lease.job_id)
    client.lpush(INTERMEDIATE_QUEUE, lease.job_id)
    assert LeaseManager(client, LONG_LEASE_SECONDS, "w2").claim_lease(lease.job_id, "another") == 0
    assert not client.exists(keys.job_lease(lease.job_id))
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    await Fence(loop_client, LONG_LEASE_SECONDS).check_lease(lease)


async def test_the_fence_opens_for_the_holder_alone(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Whoever lost the lease can neither act nor write any more."""
    fence = Fence(loop_client, LONG_LEASE_SECONDS)
    lease = start_job(client, LeaseManager(client, LONG_LEASE_SECONDS, "w"))
    stranger = Lease(lease.job_id, "another")

    await fence.check_lease(lease)
    await fence.write_fields(lease, {"starchat_answer": "text"})
    assert await fence.set_once(lease, "starchat_placeholder", "1.1") == "1.1"
    assert await fence.set_once(lease, "starchat_placeholder", "2.2") == "1.1"
    with pytest.raises(LeaseLostError):
        await fence.check_lease(stranger)
    with pytest.raises(LeaseLostError):
        await fence.write_fields(stranger, {"starchat_answer": "other"})
    with pytest.raises(LeaseLostError):
        await fence.set_once(stranger, "starchat_outcome", "x")
    assert client.hget(JOB_PREFIX + lease.job_id, "starchat_answer") == b"text"


async def test_what_answers_a_text_of_before_is_not_written(
    client: redis.Redis, loop_client: Redis
) -> None:
    """After an edit or a deletion an answer that was begun before it is refused, and only that."""
    fence = Fence(loop_client, LONG_LEASE_SECONDS)
    lease = start_job(client, LeaseManager(client, LONG_LEASE_SECONDS, "w"))
    await fence.write_fields(lease, {"starchat_answer": "zero"}, "0")
    client.hincrby(JOB_PREFIX + lease.job_id, keys.REVISION, 1)

    with pytest.raises(EditedError):
        await fence.write_fields(lease, {"starchat_answer": "old"}, "0")
    await fence.write_fields(lease, {"starchat_answer": "new"}, "1")
    await fence.write_fields(lease, {"starchat_file_2": "F1"})
    with pytest.raises(LeaseLostError):
        await fence.write_fields(Lease(lease.job_id, "another"), {"starchat_answer": "x"}, "0")
    assert client.hget(JOB_PREFIX + lease.job_id, "starchat_answer") == b"new"


async def test_nothing_is_written_for_a_job_that_is_gone(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A workspace whose data was removed gets none of it back from a worker still at it."""
    fence = Fence(loop_client, LONG_LEASE_SECONDS)
    lease = start_job(client, LeaseManager(client, LONG_LEASE_SECONDS, "w"))
    client.delete(JOB_PREFIX + lease.job_id)
    with pytest.raises(LeaseLostError):
        await fence.write_fields(lease, {"starchat_answer": "text"})
    with pytest.raises(LeaseLostError):
        await fence.set_once(lease, "starchat_placeholder_owner", "me")
    assert not client.exists(JOB_PREFIX + lease.job_id)


async def test_an_expired_lease_is_taken_again_until_somebody_reaped_it(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Leases that ran out while Redis was away cost nobody a job; reaped ones stay lost."""
    claims = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    fence = Fence(loop_client, LONG_LEASE_SECONDS)
    lease = start_job(client, claims)
    wait_until_expired(client, lease.job_id)
    await fence.check_lease(lease)
    assert claims.reap_jobs() == []

    client.delete(keys.job_lease(lease.job_id))
    assert claims.reap_jobs() == [lease.job_id]
    with pytest.raises(LeaseLostError):
        await fence.check_lease(lease)


def test_a_dead_workers_job_goes_back_to_the_front_once(client: redis.Redis) -> None:
    """However many workers look for it at once, a job is put back one time."""
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


def test_a_finished_job_is_never_put_back(client: redis.Redis) -> None:
    """What an execution left in a registry after the end is only cleared away."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    client.hset(JOB_PREFIX + lease.job_id, "status", "finished")
    wait_until_expired(client, lease.job_id)
    assert LeaseManager(client, LONG_LEASE_SECONDS, "w").reap_jobs() == []
    assert queued_jobs(client) == []
    assert client.zcard(STARTED_REGISTRY) == 0


def test_an_id_that_nobody_claimed_goes_back_after_a_while(client: redis.Redis) -> None:
    """A worker that died between taking and claiming loses nothing; a fast one is not disturbed."""
    job = dequeue_job(client)
    claims = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    assert claims.reap_jobs() == []
    time.sleep(SHORT_LEASE_SECONDS)
    assert claims.reap_jobs() == [job]
    assert queued_jobs(client) == [job]
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    assert claims.reap_jobs() == []


def test_an_id_that_is_back_on_the_queue_is_not_put_there_twice(client: redis.Redis) -> None:
    """A job that somebody else put back stands there once, where it stood."""
    job = dequeue_job(client)
    client.rpush(QUEUE_KEY, "earlier", job)
    claims = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    claims.reap_jobs()
    time.sleep(SHORT_LEASE_SECONDS)
    assert claims.reap_jobs() == []
    assert queued_jobs(client) == ["earlier", job]
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    assert not client.hexists(JOB_PREFIX + job, RECOVERY_COUNT)


@pytest.mark.parametrize("status", ["finished", "failed", "canceled", "stopped", "deferred"])
def test_an_id_whose_job_need_not_run_is_not_put_back(client: redis.Redis, status: str) -> None:
    """What was cancelled between taking and claiming, or waits for its turn, stays as it is."""
    job = dequeue_job(client, status)
    claims = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    claims.reap_jobs()
    time.sleep(SHORT_LEASE_SECONDS)
    assert claims.reap_jobs() == []
    assert queued_jobs(client) == []
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    assert client.hget(JOB_PREFIX + job, "status") == status.encode()


def test_what_an_execution_left_behind_does_not_queue_its_job_again(client: redis.Redis) -> None:
    """A job that waits already, after it was given back, is not put before itself."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    wait_until_expired(client, lease.job_id)
    client.hset(JOB_PREFIX + lease.job_id, "status", "queued")
    client.rpush(INTERMEDIATE_QUEUE, lease.job_id)
    assert LeaseManager(client, LONG_LEASE_SECONDS, "w").reap_jobs() == []
    assert queued_jobs(client) == []
    assert client.zcard(STARTED_REGISTRY) == 0


def test_what_stands_under_a_strange_name_does_not_stop_the_reaper(client: redis.Redis) -> None:
    """Keys of a wrong kind and members without an execution are passed over."""
    client.set(f"{JOB_PREFIX}strange", "a string")
    client.lpush(INTERMEDIATE_QUEUE, "strange")
    client.zadd(STARTED_REGISTRY, {"strange:execution": 1, "nothing": 1, ":": 1})
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    wait_until_expired(client, lease.job_id)
    claims = LeaseManager(client, SHORT_LEASE_SECONDS, "w")
    assert claims.reap_jobs() == [lease.job_id]
    time.sleep(SHORT_LEASE_SECONDS)
    assert claims.reap_jobs() == []


def test_giving_back_takes_the_attempt_off(client: redis.Redis) -> None:
    """A deploy gives jobs back to the front without counting against them."""
    claims = LeaseManager(client, LONG_LEASE_SECONDS, "w")
    lease = start_job(client, claims)
    client.hset(JOB_PREFIX + lease.job_id, keys.ATTEMPTS, 2)
    client.rpush(QUEUE_KEY, "later")
    assert claims.requeue_job(lease, refunded=1)
    assert queued_jobs(client) == [lease.job_id, "later"]
    assert client.hget(JOB_PREFIX + lease.job_id, keys.ATTEMPTS) == b"1"
    assert client.hget(JOB_PREFIX + lease.job_id, "status") == b"queued"
    assert not client.exists(keys.job_lease(lease.job_id))
    assert not claims.requeue_job(lease, refunded=1)


def test_a_stranger_gives_nothing_back_and_releases_nothing(client: redis.Redis) -> None:
    """Only the holder of the lease decides."""
    claims = LeaseManager(client, LONG_LEASE_SECONDS, "w")
    lease = start_job(client, claims)
    stranger = Lease(lease.job_id, "another")
    assert not claims.requeue_job(stranger, refunded=0)
    claims.release_lease(stranger)
    assert client.exists(keys.job_lease(lease.job_id))
    claims.release_lease(lease)
    assert not client.exists(keys.job_lease(lease.job_id))


async def test_the_heartbeat_keeps_leases_while_the_loop_turns(
    server: RedisServer, client: redis.Redis
) -> None:
    """A lease outlives its time as long as its worker is alive, and its loss is told."""
    lost: asyncio.Queue[Lease] = asyncio.Queue()
    lease = start_job(client, LeaseManager(client, 1.0, "w"))
    with redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(connection, 1.0, 0.1)
        heartbeat.add_lease(lease)
        loop = asyncio.get_running_loop()
        heartbeat.start_thread(lambda gone: loop.call_soon_threadsafe(lost.put_nowait, gone))
        heartbeat.record_tick()
        await asyncio.sleep(1.5)
        assert client.get(keys.job_lease(lease.job_id)) == lease.execution_id.encode()
        assert heartbeat.is_healthy()

        client.set(keys.job_lease(lease.job_id), "another", px=60_000)
        assert await asyncio.wait_for(lost.get(), 10) == lease
        heartbeat.stop_thread()
        assert not heartbeat.is_healthy()


async def test_a_hung_loop_loses_its_jobs(server: RedisServer, client: redis.Redis) -> None:
    """A worker whose loop stands still holds nothing back from workers that are alive."""
    lease = start_job(client, LeaseManager(client, SHORT_LEASE_SECONDS, "w"))
    with redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(
            connection, SHORT_LEASE_SECONDS, SHORT_LEASE_SECONDS / 6, stall_seconds=0.05
        )
        heartbeat.add_lease(lease)
        heartbeat.start_thread(print)
        await asyncio.sleep(0.1)
        wait_until_expired(client, lease.job_id)
        assert LeaseManager(client, LONG_LEASE_SECONDS, "w").reap_jobs() == [lease.job_id]
        heartbeat.stop_thread()


def test_a_heartbeat_survives_a_redis_that_is_away() -> None:
    """The thread goes on beating, and says how long ago Redis failed."""
    with RedisServer() as server, redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(connection, SHORT_LEASE_SECONDS, 0.02)
        heartbeat.start_thread(print)
        assert heartbeat.seconds_since_failure() == float("inf")
        server.kill_server()
        deadline = time.monotonic() + 10
        while heartbeat.seconds_since_failure() == float("inf") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert heartbeat.seconds_since_failure() < 10
        assert heartbeat.is_healthy()
        server.restart_server()
        heartbeat.stop_thread()
