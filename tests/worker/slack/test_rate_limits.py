"""Token buckets: one budget for all processes, a reserve for finals, blocked by Retry-After."""

import asyncio

import redis
from redis.asyncio import Redis

from contract.slack_budget import Bucket, Buckets, Priority, RateLimit, find_buckets
from worker.slack.rate_limits import TokenBuckets

SLOW: Buckets = (Bucket("starchat:T1:rate_limit:slow", RateLimit(burst=4, per_minute=60)),)
FAST: Buckets = (Bucket("starchat:T1:rate_limit:fast", RateLimit(burst=2, per_minute=6000)),)


async def test_concurrent_callers_share_one_bucket(client: redis.Redis, loop_client: Redis) -> None:
    """A burst is granted once."""
    waits = await asyncio.gather(
        *(TokenBuckets(loop_client).acquire(SLOW, Priority.FINAL) for _ in range(8))
    )
    assert sorted(waits)[:4] == [0, 0, 0, 0]
    assert all(0 < wait <= 1 for wait in sorted(waits)[4:])


async def test_less_important_calls_leave_tokens_for_finals(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A final is granted when a reply's other calls are not, and these when an edit is not."""
    buckets = TokenBuckets(loop_client)
    granted = [
        [await buckets.acquire(SLOW, priority) for _ in range(3)].count(0)
        for priority in (Priority.BACKGROUND, Priority.REPLY, Priority.FINAL)
    ]
    assert granted == [2, 1, 1]


async def test_bucket_refills_at_its_rate(client: redis.Redis, loop_client: Redis) -> None:
    """A call that waits as told is granted."""
    buckets = TokenBuckets(loop_client)
    for _ in range(20):
        wait = await buckets.acquire(FAST, Priority.FINAL)
        await asyncio.sleep(wait + 0.002 if wait else 0)
    assert await buckets.acquire(FAST, Priority.FINAL) <= 0.01


async def test_call_takes_from_all_its_buckets_or_from_none(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A post that its channel does not allow takes nothing from the workspace."""
    buckets = TokenBuckets(loop_client)
    post = find_buckets("T1", "chat.postMessage", "C1")
    await buckets.block_for(post[1:], 60)
    for _ in range(3):
        assert await buckets.acquire(post, Priority.FINAL) > 59
    assert float(client.hget(post[0].key, "tokens") or 0) == post[0].limit.burst
    assert await buckets.acquire(find_buckets("T1", "chat.postMessage", "C2"), Priority.FINAL) == 0


async def test_blocked_bucket_grants_nothing_until_its_end(
    client: redis.Redis, loop_client: Redis
) -> None:
    """A shorter block does not shorten a longer one."""
    await TokenBuckets(loop_client).block_for(FAST, 0.3)
    await TokenBuckets(loop_client).block_for(FAST, 0.1)
    wait = await TokenBuckets(loop_client).acquire(FAST, Priority.FINAL)
    assert 0.1 < wait <= 0.3
    await asyncio.sleep(wait + 0.002)
    assert await TokenBuckets(loop_client).acquire(FAST, Priority.FINAL) == 0


async def test_block_is_never_shorter_than_retry_after(
    client: redis.Redis, loop_client: Redis
) -> None:
    """Fractions of milliseconds are rounded up, by Redis' own clock."""
    for number in range(50):
        bucket = (Bucket(f"starchat:T1:rate_limit:{number}", RateLimit(2, 60)),)
        seconds, micros = client.time()
        await TokenBuckets(loop_client).block_for(bucket, 2.0004)
        until = float(client.hget(bucket[0].key, "blocked_until") or 0)
        assert until >= (seconds * 1_000_000 + micros) / 1000 + 2000.4


async def test_buckets_expire(client: redis.Redis, loop_client: Redis) -> None:
    """A workspace that is gone leaves nothing in Redis."""
    await TokenBuckets(loop_client).acquire(SLOW, Priority.FINAL)
    assert 0 < await loop_client.ttl(SLOW[0].key) <= 120
