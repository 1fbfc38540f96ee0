"""Lost and late responses of Redis: the worker asks again."""

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
    """A proxy to Redis that can lose responses."""
    with RedisProxy(server.socket) as running:
        yield running


@pytest.fixture
def leases(proxy: RedisProxy, client: redis.Redis) -> Iterator[LeaseManager]:
    """A lease manager behind that proxy, with one dequeued job."""
    client.hset(JOB_PREFIX + JOB_ID, "status", "queued")
    client.lpush(INTERMEDIATE_QUEUE, JOB_ID)
    with redis.Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 3)) as wire:
        leases = LeaseManager(wire, 30.0, "w")
        leases.reap_jobs()
        yield leases


def test_claim_with_lost_response_succeeds_on_retry(
    leases: LeaseManager, proxy: RedisProxy, client: redis.Redis
) -> None:
    """The same token claims again; another token does not."""
    assert leases.claim_lease("T1-C1-0-0", "other") == -1
    proxy.fault = LOSE_FIRST_ANSWER

    assert leases.claim_lease(JOB_ID, "token") == 1
    assert client.get(keys.job_lease(JOB_ID)) == b"token"
    assert client.lrange(INTERMEDIATE_QUEUE, 0, -1) == [JOB_ID.encode()]
    assert leases.claim_lease(JOB_ID, "another") == 0


async def test_late_response_does_not_prove_the_lease(
    proxy: RedisProxy, client: redis.Redis
) -> None:
    """A response later than the lease is checked again."""
    lease = Lease(JOB_ID, "execution")
    client.set(keys.job_lease(JOB_ID), lease.execution_id)
    async with AsyncRedis.from_url(proxy.url, decode_responses=True) as wire:
        fence = Fence(wire, lease, SHORT_LEASE_SECONDS)
        await fence.check_lease()
        proxy.fault = NetworkFault(latency_seconds=2 * SHORT_LEASE_SECONDS)
        proof = asyncio.create_task(fence.check_lease())
        await asyncio.sleep(SHORT_LEASE_SECONDS)
        client.set(keys.job_lease(JOB_ID), "of another worker")
        with pytest.raises(LeaseLostError):
            await proof
