"""Daily budgets: what was used today, and what open questions will use, end the acceptance."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from redis import Redis

from contract import keys
from tests.contract.queue_scripts import CHANNEL, TEAM, QueueScripts

BUDGET_MS = 60_000
MEAN_MS = 2_000
"""What a reply of today used."""
USER = keys.user_usage(TEAM, "U1")
CHANNEL_PREFIX = keys.channel_usage(TEAM, CHANNEL)


@pytest.fixture
def limited(queue: QueueScripts) -> QueueScripts:
    """The scripts with a budget for each user, on a day with replies."""
    add_usage(queue.redis, keys.team_usage(TEAM), gpu_ms=50 * MEAN_MS, replies=50)
    return replace(queue, user_budget_ms=BUDGET_MS)


def count_days(redis: Redis) -> int:
    """Return the day of Redis' clock."""
    return int(redis.time()[0]) // 86_400


def add_usage(redis: Redis, prefix: str, *, age: int = 0, **fields: int | str) -> None:
    """Write the sums of a day, and of the next: midnight may come during a test."""
    for day in (0, 1) if age == 0 else (-age,):
        for field, value in fields.items():
            redis.hset(f"{prefix}:{count_days(redis) + day}", field, value)


def enqueue_many(queue: QueueScripts, count: int, **who: str) -> Counter[str]:
    """Ask in as many threads at once; return how often each outcome came."""
    with ThreadPoolExecutor(16) as pool:
        outcomes = pool.map(
            lambda n: queue.enqueue_job(f"{n}.1", thread=f"{n}.0", **who).outcome,
            range(1, count + 1),
        )
        return Counter(outcomes)


def test_used_up_budget_refuses_and_marks_nothing(limited: QueueScripts) -> None:
    """The refusal names the day. The question may be asked again on the next one."""
    add_usage(limited.redis, USER, gpu_ms=BUDGET_MS)
    refused = limited.enqueue_job("1.1")

    assert (refused.outcome, refused.pending) == ("user_budget_exceeded", 0)
    assert refused.position in {count_days(limited.redis), count_days(limited.redis) - 1}
    assert not limited.redis.exists(keys.idempotency_key(TEAM, CHANNEL, "1.1"))
    assert limited.enqueue_job("2.1", user="U2").outcome == "accepted"


def test_yesterday_does_not_count(limited: QueueScripts) -> None:
    """The day is UTC's, by Redis' clock."""
    add_usage(limited.redis, USER, age=1, gpu_ms=10 * BUDGET_MS)

    assert limited.enqueue_job("1.1").outcome == "accepted"


def test_first_question_is_always_accepted(queue: QueueScripts) -> None:
    """A budget below the cost of one reply allows one reply at a time, until it is used up."""
    limited = replace(queue, user_budget_ms=1, channel_budget_ms=1)

    assert limited.enqueue_job("1.1").outcome == "accepted"
    assert limited.enqueue_job("1.2").outcome == "user_budget_exceeded"
    assert limited.enqueue_job("1.3", user="U2").outcome == "channel_budget_exceeded"
    limited.end_job("1.1")
    assert limited.enqueue_job("1.2").outcome == "accepted"


@pytest.mark.parametrize("unit", ["user", "channel"])
def test_simultaneous_questions_do_not_pass_together(queue: QueueScripts, unit: str) -> None:
    """As many are accepted as the rest of the budget pays for, by the mean of today."""
    add_usage(queue.redis, keys.team_usage(TEAM), gpu_ms=50 * MEAN_MS, replies=50)
    if unit == "user":
        limited, prefix = replace(queue, user_budget_ms=BUDGET_MS), USER
    else:
        limited, prefix = replace(queue, channel_budget_ms=BUDGET_MS), CHANNEL_PREFIX
    add_usage(queue.redis, prefix, gpu_ms=BUDGET_MS - 7 * MEAN_MS)

    outcomes = enqueue_many(limited, 60)
    assert outcomes == {"accepted": 7, f"{unit}_budget_exceeded": 53}


def test_ended_questions_free_what_they_did_not_use(queue: QueueScripts) -> None:
    """By their end, by a tool of RQ's, or by their deletion; a channel's jobs leave its set."""
    limited = replace(queue, channel_budget_ms=2 * 5_000)
    assert enqueue_many(limited, 3, user="U1")["accepted"] == 2
    first, second = limited.pending_jobs()
    limited.end_job(first)
    assert limited.enqueue_job("8.1", thread="8.0").outcome == "accepted"
    assert limited.enqueue_job("9.1", thread="9.0").outcome == "channel_budget_exceeded"
    limited.delete_job(second)
    assert limited.enqueue_job("9.1", thread="9.0").outcome == "accepted"
    for ts in ("8.1", "9.1"):
        limited.end_job(ts)

    assert not limited.redis.exists(keys.channel_jobs(TEAM, CHANNEL))


def test_without_budgets_nothing_is_kept(queue: QueueScripts) -> None:
    """Zero is no budget, however much was used."""
    add_usage(queue.redis, USER, gpu_ms=10**12)
    assert queue.enqueue_job("1.1").outcome == "accepted"
    assert not queue.redis.exists(keys.channel_jobs(TEAM, CHANNEL))


@pytest.mark.parametrize("value", ["much", "", "inf", "-5"])
def test_malformed_sums_refuse_nobody(limited: QueueScripts, value: str) -> None:
    """A wrong value in Redis stops no question."""
    add_usage(limited.redis, USER, gpu_ms=value)
    add_usage(limited.redis, keys.team_usage(TEAM), gpu_ms=value, replies=value)

    assert limited.enqueue_job("1.1").outcome == "accepted"


def test_keys_of_a_wrong_type_refuse_no_one(limited: QueueScripts) -> None:
    """They are set aside, and what they would have counted is forgotten."""
    both = replace(limited, channel_budget_ms=BUDGET_MS)
    for prefix in (USER, CHANNEL_PREFIX, keys.team_usage(TEAM)):
        for day in (0, 1):
            key = f"{prefix}:{count_days(both.redis) + day}"
            both.redis.delete(key)
            both.redis.set(key, "poison")
    both.redis.set(keys.channel_jobs(TEAM, CHANNEL), "poison")

    assert both.enqueue_job("1.1").outcome == "accepted"
    both.redis.delete(keys.channel_jobs(TEAM, CHANNEL))
    both.redis.set(keys.channel_jobs(TEAM, CHANNEL), "poison")
    assert both.release_job("1.1") == 1
