"""A worker dies at any moment: another one ends the job, and the thread holds one reply."""

import signal
import time

import pytest

from contract import keys
from contract.job import Job
from testing import memorizing_model
from testing.process_tree import wait_paused
from testing.takeover import Survivor
from testing.worker_harness import Desk, notices, words
from worker.failpoints import Point

POINTS = (
    pytest.param(Point.CLAIMED, marks=pytest.mark.slow),
    pytest.param(Point.AFTER_PLACEHOLDER_SAVED, marks=pytest.mark.slow),
    Point.BEFORE_ANSWER_SAVED,
    pytest.param(Point.BEFORE_FINISH, marks=pytest.mark.slow),
    Point.AFTER_FINISH,
)
"""Where a worker dies here; the kill matrix (`chaos/scenarios/worker_failures.py`) plays the others."""
pytestmark = pytest.mark.timeout(300)

LEASE = 3.0
"""Seconds, as in `testing.worker_harness`."""


def assert_answered_once(desk: Desk, job: Job) -> None:
    """The thread holds the answer and nothing else of ours, and nobody holds the job."""
    [message] = desk.wait_ended(job)
    assert words([message]) == memorizing_model.ANSWERS[memorizing_model.MUTEX]
    desk.wait_recorded(job)
    [still] = desk.said_by_us(job)
    assert (still["ts"], words([still])) == (message["ts"], words([message]))
    assert desk.redis.zscore(keys.PENDING, job.id) is None


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_may_die_at_any_point(
    desk: Desk, model: str, survivor: Survivor, point: Point
) -> None:
    """Whenever a worker is killed, its job is answered once, soon after its lease has run out."""
    with desk.worker(model, STARCHAT_FAILPOINT=f"{point}:kill") as victim:
        job = desk.ask(memorizing_model.MUTEX)
        assert victim.wait(120) == -signal.SIGKILL
    killed = time.monotonic()
    survivor.wake()
    assert_answered_once(desk, job)
    assert time.monotonic() - killed < LEASE + 5 + 15  # the shared machine may be slow


def test_a_paused_worker_that_wakes_up_says_nothing_more(
    desk: Desk, model: str, survivor: Survivor
) -> None:
    """A worker that slept through its lease finds its job taken over and touches nothing."""
    with desk.worker(model, STARCHAT_FAILPOINT=f"{Point.GENERATING}:pause") as sleeper:
        sleeper.wait_for("model loaded", within=120)
        job = desk.ask(memorizing_model.MUTEX)
        wait_paused(sleeper.pid)
        survivor.wake()
        assert_answered_once(desk, job)
        calls = len(desk.calls(job))
        sleeper.signal(signal.SIGCONT)
        sleeper.wait_for("job lost to another worker")
        assert sleeper.stop() == 0
    assert len(desk.calls(job)) == calls
    assert_answered_once(desk, job)


def test_a_job_that_ends_its_workers_is_given_up(desk: Desk, survivor: Survivor) -> None:
    """After as many attempts as it may have, the thread is told once, and the next one runs."""
    job = desk.ask(memorizing_model.MUTEX)
    following = desk.ask(memorizing_model.IN_PLACE, after=job)
    desk.redis.hset(f"rq:job:{job.id}", keys.ATTEMPTS, 3)
    survivor.wake()
    [message] = desk.wait_ended(job)
    assert "more than once" in notices([message])
    assert desk.wait_ended(following)
    desk.wait_recorded(job)
    assert desk.status(job) == "failed"
