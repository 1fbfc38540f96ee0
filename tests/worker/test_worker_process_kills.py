"""A worker dies at any moment: another one ends the job, and the thread holds one reply."""

import signal
import time

import pytest

from contract import keys
from contract.job import Job
from testing import memorizing_model
from testing.process_tree import wait_until_paused
from testing.worker_harness import StandbyWorker, WorkerHarness, context_text, reply_text
from worker.failpoints import Failpoint

POINTS = (
    pytest.param(Failpoint.CLAIMED, marks=pytest.mark.slow),
    pytest.param(Failpoint.AFTER_PLACEHOLDER_SAVED, marks=pytest.mark.slow),
    Failpoint.BEFORE_ANSWER_SAVED,
    pytest.param(Failpoint.BEFORE_FINISH, marks=pytest.mark.slow),
    Failpoint.AFTER_FINISH,
)
"""Failpoints at which a worker dies here; `chaos/scenarios/worker_failures.py` has the others."""
pytestmark = pytest.mark.timeout(300)

LEASE_SECONDS = 3.0
"""Seconds, as in `testing.worker_harness`."""


def assert_answered_once(desk: WorkerHarness, job: Job) -> None:
    """The thread holds the answer and nothing else of ours, and nobody holds the job."""
    [message] = desk.wait_for_end(job)
    assert reply_text([message]) == memorizing_model.ANSWERS[memorizing_model.MUTEX]
    desk.wait_for_result(job)
    [still] = desk.bot_messages(job)
    assert (still["ts"], reply_text([still])) == (message["ts"], reply_text([message]))
    assert desk.redis.zscore(keys.PENDING_JOBS, job.id) is None


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_may_die_at_any_point(
    desk: WorkerHarness, model: str, survivor: StandbyWorker, point: Failpoint
) -> None:
    """Whenever a worker is killed, its job is answered once, soon after its lease has run out."""
    with desk.start_worker(model, STARCHAT_FAILPOINT=f"{point}:kill") as victim:
        job = desk.enqueue_question(memorizing_model.MUTEX)
        assert victim.wait_for_exit(120) == -signal.SIGKILL
    killed = time.monotonic()
    survivor.resume_worker()
    assert_answered_once(desk, job)
    assert time.monotonic() - killed < LEASE_SECONDS + 5 + 15  # the shared machine may be slow


def test_a_paused_worker_that_wakes_up_says_nothing_more(
    desk: WorkerHarness, model: str, survivor: StandbyWorker
) -> None:
    """A worker that slept through its lease finds its job taken over and touches nothing."""
    with desk.start_worker(model, STARCHAT_FAILPOINT=f"{Failpoint.GENERATING}:pause") as sleeper:
        sleeper.wait_for_event("model loaded", timeout=120)
        job = desk.enqueue_question(memorizing_model.MUTEX)
        wait_until_paused(sleeper.pid)
        survivor.resume_worker()
        assert_answered_once(desk, job)
        calls = len(desk.job_calls(job))
        sleeper.send_signal(signal.SIGCONT)
        sleeper.wait_for_event("job lost to another worker")
        assert sleeper.stop_process() == 0
    assert len(desk.job_calls(job)) == calls
    assert_answered_once(desk, job)


def test_a_job_that_ends_its_workers_is_given_up(
    desk: WorkerHarness, survivor: StandbyWorker
) -> None:
    """After as many attempts as it may have, the thread is told once, and the next one runs."""
    job = desk.enqueue_question(memorizing_model.MUTEX)
    following = desk.enqueue_question(memorizing_model.IN_PLACE, previous=job)
    desk.redis.hset(f"rq:job:{job.id}", keys.ATTEMPTS, 3)
    survivor.resume_worker()
    [message] = desk.wait_for_end(job)
    assert "more than once" in context_text([message])
    assert desk.wait_for_end(following)
    desk.wait_for_result(job)
    assert desk.rq_status(job) == "failed"
