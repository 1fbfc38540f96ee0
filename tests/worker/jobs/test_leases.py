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
from worker.jobs.leases import (
    INTERMEDIATE,
    JOB,
    QUEUE_KEY,
    RECOVERIES,
    STARTED,
    Claims,
    Fence,
    Heartbeat,
    Lease,
)

LONG = 30.0
SHORT = 0.3


def dequeued(client: redis.Redis, status: str = "queued") -> str:
    """Return a job that RQ's list has just given out."""
    job = f"T1-C1-{uuid4().hex}"
    client.hset(JOB + job, "status", status)
    client.lpush(INTERMEDIATE, job)
    return job


def running(client: redis.Redis, claims: Claims) -> Lease:
    """Return the lease of a job that runs, as the worker leaves it behind."""
    job = dequeued(client)
    assert claims.claim(job, "token") == 1
    lease = Lease(job, uuid4().hex)
    client.zadd(STARTED, {lease.member: time.time() + 60})
    claims.name(lease)
    client.lrem(INTERMEDIATE, 1, job)
    return lease


def put_back(client: redis.Redis) -> list[str]:
    """Return what is on the queue, the front first."""
    return [job.decode() for job in client.lrange(QUEUE_KEY, 0, -1)]  # type: ignore[union-attr]


def until_expired(client: redis.Redis, job: str) -> None:
    """Wait until a lease has run out by Redis' clock."""
    left = client.pttl(keys.job_lease(job))
    time.sleep(max(0, int(str(left))) / 1000 + 0.02)
    assert not client.exists(keys.job_lease(job))


def test_a_job_is_claimed_once(client: redis.Redis) -> None:
    """Of many workers that were given the same id, one may run it."""
    claims = Claims(client, LONG, "w")
    job = dequeued(client)
    client.lpush(INTERMEDIATE, job, job, job)
    with ThreadPoolExecutor(4) as threads:
        verdicts = list(threads.map(lambda n: claims.claim(job, f"token{n}"), range(4)))
    assert sorted(verdicts) == [0, 0, 0, 1]


@pytest.mark.parametrize("status", ["finished", "failed", "canceled", "deferred"])
def test_a_job_that_is_over_is_not_claimed(client: redis.Redis, status: str) -> None:
    """An id whose job has ended, or is not to run yet, is dropped."""
    job = dequeued(client, status)
    assert Claims(client, LONG, "w").claim(job, "token") == -1
    assert client.llen(INTERMEDIATE) == 0


def test_a_job_without_a_hash_or_of_a_wrong_kind_is_not_claimed(client: redis.Redis) -> None:
    """Whatever stands under a job's name, claiming it raises nothing."""
    claims = Claims(client, LONG, "w")
    client.set(f"{JOB}T1-strange", "a string")
    client.lpush(INTERMEDIATE, "T1-strange", "T1-nothing")
    assert claims.claim("T1-strange", "token") == -1
    assert claims.claim("T1-nothing", "token") == -1


async def test_a_job_that_runs_is_not_claimed_although_its_lease_ran_out(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Only the reaper takes a job from whoever runs it: a second id in the list does not."""
    lease = running(client, Claims(client, SHORT, "w"))
    until_expired(client, lease.job)
    client.lpush(INTERMEDIATE, lease.job)
    assert Claims(client, LONG, "w2").claim(lease.job, "another") == 0
    assert not client.exists(keys.job_lease(lease.job))
    assert client.llen(INTERMEDIATE) == 0
    await Fence(loop_client, LONG).check(lease)


async def test_the_fence_opens_for_the_holder_alone(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Whoever lost the lease can neither act nor write any more."""
    fence = Fence(loop_client, LONG)
    lease = running(client, Claims(client, LONG, "w"))
    stranger = Lease(lease.job, "another")

    await fence.check(lease)
    await fence.note(lease, {"starchat_answer": "text"})
    assert await fence.settle(lease, "starchat_placeholder", "1.1") == "1.1"
    assert await fence.settle(lease, "starchat_placeholder", "2.2") == "1.1"
    with pytest.raises(LeaseLostError):
        await fence.check(stranger)
    with pytest.raises(LeaseLostError):
        await fence.note(stranger, {"starchat_answer": "other"})
    with pytest.raises(LeaseLostError):
        await fence.settle(stranger, "starchat_outcome", "x")
    assert client.hget(JOB + lease.job, "starchat_answer") == b"text"


async def test_what_answers_a_text_of_before_is_not_written(
    client: redis.Redis, loop_client: Redis
) -> None:
    """After an edit or a deletion an answer that was begun before it is refused, and only that."""
    fence = Fence(loop_client, LONG)
    lease = running(client, Claims(client, LONG, "w"))
    await fence.note(lease, {"starchat_answer": "zero"}, "0")
    client.hincrby(JOB + lease.job, keys.REVISION, 1)

    with pytest.raises(EditedError):
        await fence.note(lease, {"starchat_answer": "old"}, "0")
    await fence.note(lease, {"starchat_answer": "new"}, "1")
    await fence.note(lease, {"starchat_file_2": "F1"})
    with pytest.raises(LeaseLostError):
        await fence.note(Lease(lease.job, "another"), {"starchat_answer": "x"}, "0")
    assert client.hget(JOB + lease.job, "starchat_answer") == b"new"


async def test_nothing_is_written_for_a_job_that_is_gone(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A workspace whose data was removed gets none of it back from a worker still at it."""
    fence = Fence(loop_client, LONG)
    lease = running(client, Claims(client, LONG, "w"))
    client.delete(JOB + lease.job)
    with pytest.raises(LeaseLostError):
        await fence.note(lease, {"starchat_answer": "text"})
    with pytest.raises(LeaseLostError):
        await fence.settle(lease, "starchat_placeholder_owner", "me")
    assert not client.exists(JOB + lease.job)


async def test_an_expired_lease_is_taken_again_until_somebody_reaped_it(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Leases that ran out while Redis was away cost nobody a job; reaped ones stay lost."""
    claims = Claims(client, SHORT, "w")
    fence = Fence(loop_client, LONG)
    lease = running(client, claims)
    until_expired(client, lease.job)
    await fence.check(lease)
    assert claims.reap() == []

    client.delete(keys.job_lease(lease.job))
    assert claims.reap() == [lease.job]
    with pytest.raises(LeaseLostError):
        await fence.check(lease)


def test_a_dead_workers_job_goes_back_to_the_front_once(client: redis.Redis) -> None:
    """However many workers look for it at once, a job is put back one time."""
    lease = running(client, Claims(client, SHORT, "w"))
    client.rpush(QUEUE_KEY, "later")
    until_expired(client, lease.job)

    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda n: Claims(client, LONG, f"w{n}").reap(), range(6)))

    assert list(chain(*found)) == [lease.job]
    assert put_back(client) == [lease.job, "later"]
    assert client.hget(JOB + lease.job, "status") == b"queued"
    assert client.hget(JOB + lease.job, RECOVERIES) == b"1"
    assert client.zcard(STARTED) == 0


def test_a_finished_job_is_never_put_back(client: redis.Redis) -> None:
    """What an execution left in a registry after the end is only cleared away."""
    lease = running(client, Claims(client, SHORT, "w"))
    client.hset(JOB + lease.job, "status", "finished")
    until_expired(client, lease.job)
    assert Claims(client, LONG, "w").reap() == []
    assert put_back(client) == []
    assert client.zcard(STARTED) == 0


def test_an_id_that_nobody_claimed_goes_back_after_a_while(client: redis.Redis) -> None:
    """A worker that died between taking and claiming loses nothing; a fast one is not disturbed."""
    job = dequeued(client)
    claims = Claims(client, SHORT, "w")
    assert claims.reap() == []
    time.sleep(SHORT)
    assert claims.reap() == [job]
    assert put_back(client) == [job]
    assert client.llen(INTERMEDIATE) == 0
    assert claims.reap() == []


def test_an_id_that_is_back_on_the_queue_is_not_put_there_twice(client: redis.Redis) -> None:
    """A job that somebody else put back stands there once, where it stood."""
    job = dequeued(client)
    client.rpush(QUEUE_KEY, "earlier", job)
    claims = Claims(client, SHORT, "w")
    claims.reap()
    time.sleep(SHORT)
    assert claims.reap() == []
    assert put_back(client) == ["earlier", job]
    assert client.llen(INTERMEDIATE) == 0
    assert not client.hexists(JOB + job, RECOVERIES)


@pytest.mark.parametrize("status", ["finished", "failed", "canceled", "stopped", "deferred"])
def test_an_id_whose_job_need_not_run_is_not_put_back(client: redis.Redis, status: str) -> None:
    """What was cancelled between taking and claiming, or waits for its turn, stays as it is."""
    job = dequeued(client, status)
    claims = Claims(client, SHORT, "w")
    claims.reap()
    time.sleep(SHORT)
    assert claims.reap() == []
    assert put_back(client) == []
    assert client.llen(INTERMEDIATE) == 0
    assert client.hget(JOB + job, "status") == status.encode()


def test_what_an_execution_left_behind_does_not_queue_its_job_again(client: redis.Redis) -> None:
    """A job that waits already, after it was given back, is not put before itself."""
    lease = running(client, Claims(client, SHORT, "w"))
    until_expired(client, lease.job)
    client.hset(JOB + lease.job, "status", "queued")
    client.rpush(INTERMEDIATE, lease.job)
    assert Claims(client, LONG, "w").reap() == []
    assert put_back(client) == []
    assert client.zcard(STARTED) == 0


def test_what_stands_under_a_strange_name_does_not_stop_the_reaper(client: redis.Redis) -> None:
    """Keys of a wrong kind and members without an execution are passed over."""
    client.set(f"{JOB}strange", "a string")
    client.lpush(INTERMEDIATE, "strange")
    client.zadd(STARTED, {"strange:execution": 1, "nothing": 1, ":": 1})
    lease = running(client, Claims(client, SHORT, "w"))
    until_expired(client, lease.job)
    claims = Claims(client, SHORT, "w")
    assert claims.reap() == [lease.job]
    time.sleep(SHORT)
    assert claims.reap() == []


def test_giving_back_takes_the_attempt_off(client: redis.Redis) -> None:
    """A deploy gives jobs back to the front without counting against them."""
    claims = Claims(client, LONG, "w")
    lease = running(client, claims)
    client.hset(JOB + lease.job, keys.ATTEMPTS, 2)
    client.rpush(QUEUE_KEY, "later")
    assert claims.give_back(lease, uncharged=1)
    assert put_back(client) == [lease.job, "later"]
    assert client.hget(JOB + lease.job, keys.ATTEMPTS) == b"1"
    assert client.hget(JOB + lease.job, "status") == b"queued"
    assert not client.exists(keys.job_lease(lease.job))
    assert not claims.give_back(lease, uncharged=1)


def test_a_stranger_gives_nothing_back_and_releases_nothing(client: redis.Redis) -> None:
    """Only the holder of the lease decides."""
    claims = Claims(client, LONG, "w")
    lease = running(client, claims)
    stranger = Lease(lease.job, "another")
    assert not claims.give_back(stranger, uncharged=0)
    claims.release(stranger)
    assert client.exists(keys.job_lease(lease.job))
    claims.release(lease)
    assert not client.exists(keys.job_lease(lease.job))


async def test_the_heartbeat_keeps_leases_while_the_loop_turns(
    server: RedisServer, client: redis.Redis
) -> None:
    """A lease outlives its time as long as its worker is alive, and its loss is told."""
    lost: asyncio.Queue[Lease] = asyncio.Queue()
    lease = running(client, Claims(client, 1.0, "w"))
    with redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(connection, 1.0, 0.1)
        heartbeat.hold(lease)
        loop = asyncio.get_running_loop()
        heartbeat.start(lambda gone: loop.call_soon_threadsafe(lost.put_nowait, gone))
        heartbeat.tick()
        await asyncio.sleep(1.5)
        assert client.get(keys.job_lease(lease.job)) == lease.execution.encode()
        assert heartbeat.healthy()

        client.set(keys.job_lease(lease.job), "another", px=60_000)
        assert await asyncio.wait_for(lost.get(), 10) == lease
        heartbeat.stop()
        assert not heartbeat.healthy()


async def test_a_hung_loop_loses_its_jobs(server: RedisServer, client: redis.Redis) -> None:
    """A worker whose loop stands still holds nothing back from workers that are alive."""
    lease = running(client, Claims(client, SHORT, "w"))
    with redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(connection, SHORT, SHORT / 6, stall=0.05)
        heartbeat.hold(lease)
        heartbeat.start(print)
        await asyncio.sleep(0.1)
        until_expired(client, lease.job)
        assert Claims(client, LONG, "w").reap() == [lease.job]
        heartbeat.stop()


def test_a_heartbeat_survives_a_redis_that_is_away() -> None:
    """The thread goes on beating, and says how long ago Redis failed."""
    with RedisServer() as server, redis.Redis.from_url(server.url) as connection:
        heartbeat = Heartbeat(connection, SHORT, 0.02)
        heartbeat.start(print)
        assert heartbeat.quiet_for() == float("inf")
        server.kill_server()
        deadline = time.monotonic() + 10
        while heartbeat.quiet_for() == float("inf") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert heartbeat.quiet_for() < 10
        assert heartbeat.healthy()
        server.restart_server()
        heartbeat.stop()
