"""Budgets of Web API calls: one for all workers, finals first, frozen when Slack says so."""

import asyncio

import redis
from redis.asyncio import Redis

from worker.slack.rate_limits import RateLimit, TokenBuckets, bucket_key

SLOW_LIMIT = RateLimit(burst=3, per_minute=60, reserved_for_finals=1)
FAST_LIMIT = RateLimit(burst=2, per_minute=6000)
BUCKET_KEY = bucket_key("T1", "chat.update")


async def test_all_workers_spend_one_budget(client: redis.Redis, loop_client: Redis) -> None:
    """However many workers ask at once, a burst is granted once."""
    waits = await asyncio.gather(
        *(
            TokenBuckets(loop_client).acquire(BUCKET_KEY, SLOW_LIMIT, is_final=True)
            for _ in range(6)
        )
    )
    assert sorted(waits)[:3] == [0, 0, 0]
    assert all(0 < wait <= 1 for wait in sorted(waits)[3:])


async def test_finals_have_a_reserve(client: redis.Redis, loop_client: Redis) -> None:
    """Edits of growing replies leave calls for those that finish one."""
    rates = TokenBuckets(loop_client)
    while not await rates.acquire(BUCKET_KEY, SLOW_LIMIT, is_final=False):
        pass
    assert await rates.acquire(BUCKET_KEY, SLOW_LIMIT, is_final=False) > 0
    assert await rates.acquire(BUCKET_KEY, SLOW_LIMIT, is_final=True) == 0
    assert await rates.acquire(BUCKET_KEY, SLOW_LIMIT, is_final=True) > 0


async def test_a_budget_refills(client: redis.Redis, loop_client: Redis) -> None:
    """Whoever waits as long as it was told is granted the call."""
    rates = TokenBuckets(loop_client)
    for _ in range(20):
        wait = await rates.acquire(BUCKET_KEY, FAST_LIMIT, is_final=True)
        await asyncio.sleep(wait + 0.002 if wait else 0)
    assert await rates.acquire(BUCKET_KEY, FAST_LIMIT, is_final=True) <= 0.01


async def test_a_freeze_holds_everybody_until_its_end(
    client: redis.Redis, loop_client: Redis
) -> None:
    """What Slack says to one worker counts for all; a shorter word does not shorten it."""
    await TokenBuckets(loop_client).block_for(BUCKET_KEY, FAST_LIMIT, 0.3)
    await TokenBuckets(loop_client).block_for(BUCKET_KEY, FAST_LIMIT, 0.1)
    wait = await TokenBuckets(loop_client).acquire(BUCKET_KEY, FAST_LIMIT, is_final=True)
    assert 0.1 < wait <= 0.3
    await asyncio.sleep(wait + 0.002)
    assert await TokenBuckets(loop_client).acquire(BUCKET_KEY, FAST_LIMIT, is_final=True) == 0


async def test_workspaces_methods_and_channels_have_budgets_of_their_own(
    client: redis.Redis, loop_client: Redis
) -> None:
    """What one spends is not missing to another."""
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


async def test_no_budget_stays_for_ever(client: redis.Redis, loop_client: Redis) -> None:
    """A workspace that is gone leaves nothing in Redis."""
    await TokenBuckets(loop_client).acquire(BUCKET_KEY, SLOW_LIMIT, is_final=True)
    assert 0 < await loop_client.ttl(BUCKET_KEY) <= 120
