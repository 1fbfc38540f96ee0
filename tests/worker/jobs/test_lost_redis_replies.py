"""Redis has done what it was asked, and its answer is lost or comes late: it is asked again."""

import asyncio
from collections.abc import Iterator

import pytest
import redis
from redis.asyncio import Redis as AsyncRedis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chaos.cluster.redis_proxy import NetworkFault, RedisProxy
from contract import keys
from testing.redis_server import RedisServer
from worker.errors import LeaseLostError
from worker.jobs.leases import INTERMEDIATE_QUEUE, JOB_PREFIX, Fence, Lease, LeaseManager

JOB_ID = "T1-C1-1-1"
SHORT_LEASE_SECONDS = 0.3
"""Seconds of a lease."""
LOSE_FIRST_ANSWER = NetworkFault(lost_reply_probability=1.0, max_hits=1)
"""Lose the answer to the next request, and to no other."""


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[RedisProxy]:
    """A wire to Redis that may lose answers."""
    with RedisProxy(server.socket) as running:
        yield running


@pytest.fixture
def claims(proxy: RedisProxy, client: redis.Redis) -> Iterator[LeaseManager]:
    """A worker's claims over that wire, with a job that RQ's list has just given out."""
    client.hset(JOB_PREFIX + JOB_ID, "status", "queued")
    client.lpush(INTERMEDIATE_QUEUE, JOB_ID)
    with redis.Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 3)) as wire:
        claims = LeaseManager(wire, 30.0, "w")
        claims.reap_jobs()
        yield claims


def test_a_claim_whose_answer_was_lost_is_a_claim(
    claims: LeaseManager, proxy: RedisProxy, client: redis.Redis
) -> None:
    """The worker runs what it has claimed; nobody would ever put such a job back."""
    assert claims.claim_lease("T1-C1-0-0", "other") == -1
    proxy.fault = LOSE_FIRST_ANSWER

    assert claims.claim_lease(JOB_ID, "token") == 1
    assert client.get(keys.job_lease(JOB_ID)) == b"token"
    assert client.lrange(INTERMEDIATE_QUEUE, 0, -1) == [JOB_ID.encode()]
    assert claims.claim_lease(JOB_ID, "another") == 0


async def test_an_old_answer_proves_no_lease(proxy: RedisProxy, client: redis.Redis) -> None:
    """Whoever hears after a sleep that the lease was theirs must ask whether it still is."""
    lease = Lease(JOB_ID, "execution")
    client.set(keys.job_lease(JOB_ID), lease.execution_id)
    async with AsyncRedis.from_url(proxy.url, decode_responses=True) as wire:
        fence = Fence(wire, SHORT_LEASE_SECONDS)
        await fence.check_lease(lease)
        proxy.fault = NetworkFault(latency_seconds=2 * SHORT_LEASE_SECONDS)
        proof = asyncio.create_task(fence.check_lease(lease))
        await asyncio.sleep(SHORT_LEASE_SECONDS)
        client.set(keys.job_lease(JOB_ID), "of another worker")
        with pytest.raises(LeaseLostError):
            await proof
