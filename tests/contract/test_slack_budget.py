"""Budget for Slack: limits below Slack's tiers, and local buckets for a time without Redis."""

import pytest

from contract.slack_budget import (
    POSTS_IN_CHANNEL,
    RATE_LIMITS,
    TIER_2,
    TIER_3,
    TIER_4,
    LocalBuckets,
    Priority,
    RateLimit,
    acquire_arguments,
    block_arguments,
    find_buckets,
)


@pytest.mark.parametrize(("limit", "calls"), [(TIER_2, 20), (TIER_3, 50), (TIER_4, 100)])
def test_no_minute_has_more_calls_than_the_tier(limit: RateLimit, calls: int) -> None:
    """A bucket grants its burst and a minute's refill at most."""
    assert limit.burst + limit.per_minute <= calls


def test_posts_stay_below_one_a_second_in_a_channel() -> None:
    """Slack counts posts by channel."""
    assert POSTS_IN_CHANNEL.per_minute < 60


def test_post_and_ephemeral_post_share_their_channel() -> None:
    """Slack may count both as posts of one channel."""
    _, channel = find_buckets("T1", "chat.postMessage", "C1")
    _, same = find_buckets("T1", "chat.postEphemeral", "C1")
    _, other = find_buckets("T1", "chat.postMessage", "C2")
    assert channel == same != other


def test_other_calls_are_counted_by_method_and_workspace() -> None:
    """The channel of an edit does not matter."""
    assert len(find_buckets("T1", "chat.update", "C1")) == 1
    keys = {
        find_buckets(team, method)[0].key
        for team in ("T1", "T2")
        for method in (*RATE_LIMITS, "views.push")
    }
    assert len(keys) == 2 * (len(RATE_LIMITS) + 1)


def test_method_without_a_known_tier_has_a_low_limit() -> None:
    """A new method cannot be called without a budget."""
    assert [bucket.limit for bucket in find_buckets("T1", "views.push")] == [TIER_2]
    assert find_buckets("T1", "auth.test") == ()


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(2.0, 2000), (2.0004, 2001), (0.0, 1), (0.9999, 1000)]
)
def test_retry_after_is_rounded_up(seconds: float, milliseconds: int) -> None:
    """No fraction of `Retry-After` is lost."""
    buckets = find_buckets("T1", "chat.update")
    assert block_arguments(buckets, seconds)[1][:2] == [0, milliseconds]
    assert acquire_arguments(buckets, Priority.REPLY)[1] == [0.25, 0, 14, 34 / 60]


def test_local_buckets_refill_and_keep_a_reserve() -> None:
    """Without Redis, a process stays below the limit by itself."""
    buckets, post = LocalBuckets(), find_buckets("T1", "chat.postMessage", "C1")
    granted = [buckets.acquire(post, Priority.FINAL, 0.0) for _ in range(4)]
    assert granted[:3] == [0, 0, 0]
    assert granted[3] == pytest.approx(60 / 54)
    assert buckets.acquire(post, Priority.BACKGROUND, 2.0) > 0
    assert buckets.acquire(post, Priority.FINAL, 2.0) == 0


def test_local_block_ends_after_retry_after() -> None:
    """A shorter block does not shorten a longer one."""
    buckets, edit = LocalBuckets(), find_buckets("T1", "chat.update")
    buckets.block(edit, 3.5, 10.0)
    buckets.block(edit, 1.0, 10.0)
    assert buckets.acquire(edit, Priority.FINAL, 13.4) == pytest.approx(0.1)
    assert buckets.acquire(edit, Priority.FINAL, 13.5) == 0
