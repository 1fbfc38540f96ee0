"""Code runs in Redis: only the bot that holds a run may write to it."""

import pytest
from redis import Redis

from bot.store.code_runs import CodeRun, CodeRuns, UploadedFile
from contract import keys
from contract.job import Thread

THREAD = Thread(team="T1", channel="C1", ts="1.000001")
MEMBER = "C1:1.000001"
FILES = (UploadedFile(id="F1", title="app.py"),)
OTHER_FILES = (UploadedFile(id="F2", title="app.py"),)


@pytest.fixture
def runs(redis: Redis) -> CodeRuns:
    """The runs of one team, one of which is recorded."""
    runs = CodeRuns(redis, "T1")
    runs.record(THREAD, "2.000001", "U1")
    return runs


def lease(runs: CodeRuns, *, first: bool = False) -> CodeRun:
    """Lease the run, which must be free."""
    run = runs.lease(THREAD, first=first)
    assert run is not None
    return run


def end_lease(redis: Redis) -> None:
    """Let the present lease run out."""
    redis.zadd(keys.code_schedule("T1"), {MEMBER: 0}, xx=True)


def test_bot_that_lost_its_lease_records_nothing(redis: Redis, runs: CodeRuns) -> None:
    """Neither while another bot works on the run, nor after that has ended it."""
    slow = lease(runs, first=True)
    assert runs.renew_lease(slow)
    end_lease(redis)
    fast = lease(runs)
    assert not runs.renew_lease(slow)
    assert runs.set_uploads(slow, OTHER_FILES) is None
    assert runs.set_uploads(fast, FILES) is not None
    runs.finish(slow)
    runs.postpone(slow, 0)
    assert runs.lease(THREAD, first=False) is None
    end_lease(redis)
    assert lease(runs).uploads == FILES


def test_run_that_ended_is_not_made_again(redis: Redis, runs: CodeRuns) -> None:
    """A late write leaves no key, and does not touch the next run of the thread."""
    slow = lease(runs, first=True)
    end_lease(redis)
    runs.finish(lease(runs))
    assert runs.set_uploads(slow, OTHER_FILES) is None
    assert not redis.exists(keys.code_run("T1", "C1", "1.000001"))
    runs.record(THREAD, "3.000001", "U1")
    lease(runs, first=True)
    assert runs.set_uploads(slow, OTHER_FILES) is None
    end_lease(redis)
    assert lease(runs).uploads == ()


def test_renewed_lease_keeps_other_bots_away(redis: Redis, runs: CodeRuns) -> None:
    """Files that were recorded end with the run's hour."""
    run = lease(runs, first=True)
    end_lease(redis)
    assert runs.set_uploads(run, FILES) is not None
    assert runs.list_due() == []
    assert 0 < redis.ttl(keys.code_run("T1", "C1", "1.000001")) <= keys.SECONDS_PER_HOUR
    runs.postpone(run, 0)
    assert runs.list_due() == [THREAD]
