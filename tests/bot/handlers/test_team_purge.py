"""Purge of a team that has removed the app: it survives errors and the death of a bot."""

import pytest
from redis import Redis
from rq.job import Job as RqJob
from structlog.testing import capture_logs

from bot.handlers.team_purge import TeamPurge
from bot.records.database import Records, RecordsUnavailableError
from bot.records.export import export_votes
from contract import keys
from contract.job import job_id
from testing.queue_inspector import pending_job_ids
from testing.votes import store_vote

AWAY = "postgresql://u:secret@127.0.0.1:1/d"


@pytest.fixture(autouse=True)
def stored(redis: Redis, records: Records) -> None:
    """Store data of two teams."""
    for team in ("T1", "T2"):
        redis.set(keys.welcome(team, "C1"), 1)
        store_vote(records, team)


def list_keys(redis: Redis) -> list[bytes]:
    """Return the keys of both teams."""
    return sorted(key for key in redis.keys("starchat:T*") if isinstance(key, bytes))


def test_marked_team_alone_is_purged(redis: Redis, records: Records) -> None:
    """Another team, and one without a mark, keeps its data."""
    purge = TeamPurge(redis, records)
    purge.mark_team("T1")
    purge.finish_purge("T2")
    assert len(list_keys(redis)) == 2

    purge.finish_purge("T1")
    assert list_keys(redis) == [keys.welcome("T2", "C1").encode()]
    [line] = export_votes(records, "0")
    assert '"team": "T2"' in line
    assert not redis.exists(keys.UNINSTALLED_TEAMS)


def test_database_that_is_away_is_purged_by_another_bot(redis: Redis, records: Records) -> None:
    """Redis is purged at once, and of the rules again. A new installation keeps its questions."""
    away = Records(AWAY)
    TeamPurge(redis, away).mark_team("T1")
    with pytest.raises(RecordsUnavailableError):
        TeamPurge(redis, away).finish_purge("T1")
    assert list_keys(redis) == [keys.welcome("T2", "C1").encode()]
    job = job_id("T1", "C1", "1.000000")
    redis.hset(keys.channel_rules("T1"), "*", "1")
    redis.hset(keys.inbox("T1"), "1", "a question")
    redis.hset(f"{RqJob.redis_job_namespace_prefix}{job}", "status", "queued")
    redis.zadd(keys.PENDING_JOBS, {job: 1})
    TeamPurge(redis, away).try_at_start("T1")
    away.close_database()
    assert len(list_keys(redis)) == 3

    TeamPurge(redis, records).try_at_start("T1")
    new = {keys.inbox("T1").encode(), keys.welcome("T2", "C1").encode()}
    assert set(list_keys(redis)) == new
    assert pending_job_ids(redis) == [job]
    assert redis.exists(f"{RqJob.redis_job_namespace_prefix}{job}")
    assert len(list(export_votes(records, "0"))) == 1
    assert not redis.exists(keys.UNINSTALLED_TEAMS)


def test_refused_bot_purges_all_marked_teams(redis: Redis, records: Records) -> None:
    """The marks stay for bots with other databases. A malformed one matches no keys of others."""
    purge = TeamPurge(redis, records)
    for team in ("*", "T1"):
        purge.mark_team(team)
    purge.try_at_start(None)

    assert list_keys(redis) == [keys.welcome("T2", "C1").encode()]
    assert len(list(export_votes(records, "0"))) == 1
    assert redis.hkeys(keys.UNINSTALLED_TEAMS) == [b"*", b"T1"]


@pytest.mark.parametrize("team", ["T1", None])
def test_error_at_the_start_is_logged(redis: Redis, records: Records, team: str | None) -> None:
    """The start continues."""
    redis.set(keys.UNINSTALLED_TEAMS, "poison")
    with capture_logs() as logs:
        TeamPurge(redis, records).try_at_start(team)
    assert [entry["event"] for entry in logs] == ["purge postponed"]
