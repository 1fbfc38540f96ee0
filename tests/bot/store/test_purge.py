"""Purge: deletes the data of a thread, a channel or a team, and no other."""

import pytest
from redis import Redis
from rq.job import Job as RqJob

from bot.store.purge import KEYS_PER_BATCH, Purge
from contract import keys
from contract.job import Thread

TEAM, OTHER = "T0FAKE0001", "T0OTHER001"


def store_text(redis: Redis, team: str, key: str) -> None:
    """Store a text as the caches do: with an entry in the index of its team."""
    redis.hset(key, "1.1", "text")
    redis.zadd(keys.text_index(team), {key: 1.0})
    redis.hset(keys.text_sizes(team), mapping={key: 4, "total": 32})


@pytest.fixture
def purge(redis: Redis) -> Purge:
    """Return a purge, with data in two teams and two channels."""
    for team in (TEAM, OTHER):
        for channel in ("C1", "C2"):
            for thread in ("1.1", "2.2"):
                store_text(redis, team, keys.thread_cache(team, channel, thread))
                store_text(redis, team, keys.answer_cache(team, channel, thread))
            redis.hset(RqJob.key_for(f"{team}-{channel}-2-2"), "data", "waiting")
            redis.zadd(keys.PENDING_JOBS, {f"{team}-{channel}-2-2": 1.0})
            redis.set(keys.thread_mode(team, channel, "1.1"), "auto")
    return Purge(redis)


def count_keys(redis: Redis, pattern: str) -> int:
    """Count the keys that are left."""
    return len(redis.keys(pattern))


def test_purge_of_thread_keeps_other_threads(purge: Purge, redis: Redis) -> None:
    """Other threads keep their data."""
    purge.drop_thread(Thread(team=TEAM, channel="C1", ts="1.1"))

    assert count_keys(redis, f"starchat:{TEAM}:thread_cache:*") == 3
    assert count_keys(redis, f"starchat:{TEAM}:answer_cache:*") == 3
    assert redis.exists(keys.thread_mode(TEAM, "C1", "1.1"))


def test_purge_of_channel_keeps_waiting_jobs(purge: Purge, redis: Redis) -> None:
    """Cached threads and answers are deleted, and leave the index."""
    assert purge.drop_channel(TEAM, "C1") == 2
    assert count_keys(redis, f"starchat:{TEAM}:thread_cache:C1:*") == 0
    assert count_keys(redis, f"starchat:{TEAM}:answer_cache:C1:*") == 0
    assert count_keys(redis, f"starchat:{TEAM}:thread_cache:C2:*") == 2
    assert redis.zcard(keys.text_index(TEAM)) == 4
    assert redis.exists(RqJob.key_for(f"{TEAM}-C1-2-2"))
    assert purge.drop_channel(TEAM, "C1") == 0


def test_purge_of_team_keeps_other_teams(purge: Purge, redis: Redis) -> None:
    """All data of the team is deleted, and none of another team."""
    before = count_keys(redis, f"starchat:{OTHER}:*")
    dropped = purge.drop_team(TEAM)

    assert dropped > 0
    assert count_keys(redis, f"starchat:{TEAM}:*") == 0
    assert count_keys(redis, f"rq:job:{TEAM}-*") == 0
    assert count_keys(redis, f"starchat:{OTHER}:*") == before
    assert redis.zcard(keys.PENDING_JOBS) == 2


def test_purge_of_team_pauses_between_pages_and_leaves_nothing(redis: Redis) -> None:
    """A large Redis serves other clients in between; no bound leaves a part of the data."""
    num_keys = 3 * KEYS_PER_BATCH
    with redis.pipeline() as pipe:
        for number in range(num_keys):
            pipe.set(keys.thread_mode(TEAM, "C1", str(number)), "auto")
        pipe.execute()
    pauses: list[float] = []

    assert Purge(redis, pauses.append).drop_team(TEAM) == num_keys
    assert len(pauses) >= num_keys // KEYS_PER_BATCH - 1
    assert count_keys(redis, f"starchat:{TEAM}:*") == 0
