"""Token buckets: shared by all workers, with a reserve for finals, blocked by Retry-After."""

import asyncio

import redis
from redis.asyncio import Redis

from worker.slack.rate_limits import RateLimit, TokenBuckets, bucket_key

SLOW_LIMIT = RateLimit(burst=3, per_minute=60, reserved_for_finals=1)
FAST_LIMIT = RateLimit(burst=2, per_minute=6000)
BUCKET_KEY = bucket_key("T1", "chat.update")


async def test_concurrent_workers_share_one_bucket(client: redis.Redis, loop_client: Redis) -> None:
    """A burst is granted once."""
    waits = await asyncio.gather(
        *(
            TokenBuckets(loop_client).acquire(BUCKET_KEY, SLOW_LIMIT, is_final=True)
            for _ in range(6)
        )
    )
    assert sorted(waits)[:3] == [0, 0, 0]
    assert all(0 < wait <= 1 for wait in sorted(waits)[3:])


async def test_edits_leave_reserved_tokens_for_finals(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A final is granted when an edit is not."""
    buckets = TokenBuckets(loop_client)
    while not await buckets.acquire(BUCKET_KEY, SLOW_LIMIT, is_final=False):
        pass
    assert await buckets.acquire(BUCKET_KEY, SLOW_LIMIT, is_final=False) > 0
    assert await buckets.acquire(BUCKET_KEY, SLOW_LIMIT, is_final=True) == 0
    assert await buckets.acquire(BUCKET_KEY, SLOW_LIMIT, is_final=True) > 0


async def test_bucket_refills_at_its_rate(client: redis.Redis, loop_client: Redis) -> None:
    """A call that waits as told is granted."""
    buckets = TokenBuckets(loop_client)
    for _ in range(20):
        wait = await buckets.acquire(BUCKET_KEY, FAST_LIMIT, is_final=True)
        await asyncio.sleep(wait + 0.002 if wait else 0)
    assert await buckets.acquire(BUCKET_KEY, FAST_LIMIT, is_final=True) <= 0.01


async def test_blocked_bucket_grants_nothing_until_its_end(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A shorter block does not shorten a longer one."""
    await TokenBuckets(loop_client).block_for(BUCKET_KEY, FAST_LIMIT, 0.3)
    await TokenBuckets(loop_client).block_for(BUCKET_KEY, FAST_LIMIT, 0.1)
    wait = await TokenBuckets(loop_client).acquire(BUCKET_KEY, FAST_LIMIT, is_final=True)
    assert 0.1 < wait <= 0.3
    await asyncio.sleep(wait + 0.002)
    assert await TokenBuckets(loop_client).acquire(BUCKET_KEY, FAST_LIMIT, is_final=True) == 0


async def test_workspaces_methods_and_channels_have_separate_buckets(
    client: redis.Redis, loop_client: Redis
) -> None:
    """An empty bucket affects no other one."""
    keys = [
        bucket_key("T1", "chat.update"),
        bucket_key("T2", "chat.update"),
        bucket_key("T1", "chat.delete"),
        bucket_key("T1", "chat.postMessage", "C1"),
        bucket_key("T1", "chat.postMessage", "C2"),
    ]
    assert len(set(keys)) == 5
    one = RateLimit(burst=1, per_minute=1)
    assert [await TokenBuckets(loop_client).acquire(key, one, is_final=True) for key in keys] == [
        0
    ] * 5


async def test_buckets_expire(client: redis.Redis, loop_client: Redis) -> None:
    """A workspace that is gone leaves nothing in Redis."""
    await TokenBuckets(loop_client).acquire(BUCKET_KEY, SLOW_LIMIT, is_final=True)
    assert 0 < await loop_client.ttl(BUCKET_KEY) <= 120
