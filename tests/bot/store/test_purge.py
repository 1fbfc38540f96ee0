"""Purge: deletes the data of a thread, a channel or a team, and no other."""

import zlib

import pytest
from redis import Redis
from rq.job import Job as RqJob

from bot.store.purge import KEYS_PER_BATCH, Purge
from contract import keys
from contract.job import Thread
from testing.leak_scanner import find_words_in_file
from testing.polling import poll_until
from testing.redis_server import RedisServer

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
                store_text(redis, team, keys.file_cache(team, channel, thread))
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
    assert count_keys(redis, f"starchat:{TEAM}:file_cache:*") == 3
    assert redis.exists(keys.thread_mode(TEAM, "C1", "1.1"))


def test_purge_of_channel_keeps_waiting_jobs(purge: Purge, redis: Redis) -> None:
    """Cached threads and answers are deleted, and leave the index."""
    assert purge.drop_channel(TEAM, "C1") == 2
    assert count_keys(redis, f"starchat:{TEAM}:thread_cache:C1:*") == 0
    assert count_keys(redis, f"starchat:{TEAM}:answer_cache:C1:*") == 0
    assert count_keys(redis, f"starchat:{TEAM}:file_cache:C1:*") == 0
    assert count_keys(redis, f"starchat:{TEAM}:thread_cache:C2:*") == 2
    assert redis.zcard(keys.text_index(TEAM)) == 6
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


def test_rewritten_log_holds_no_deleted_text(
    redis: Redis, server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until then, the append-only file holds every write, also a job's compressed payload."""
    plain, packed, kept = "larkspur-canary", "saffron-canary", "marigold-canary"
    redis.config_set("rdbcompression", "no")
    redis.set(f"starchat:{TEAM}:one", plain)
    redis.set(f"starchat:{TEAM}:two", zlib.compress(packed.encode()))
    redis.set(f"starchat:{OTHER}:one", kept)
    purge = Purge(redis)
    purge.drop_team(TEAM)

    def found_words() -> set[str]:
        files = server.data_files()
        return {word for f in files for word in find_words_in_file(f, (plain, packed, kept))}

    assert found_words() == {plain, packed, kept}
    purge.rewrite_log()
    poll_until(lambda: found_words() == {kept}, description="the rewritten file")
    redis.acl_setuser("default", enabled=True, commands=["-bgrewriteaof"])
    try:
        purge.rewrite_log()
    finally:
        redis.acl_setuser("default", enabled=True, commands=["+bgrewriteaof"])
    assert "append-only file not rewritten" in capsys.readouterr().out
