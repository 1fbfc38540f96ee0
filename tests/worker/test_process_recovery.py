"""
Replies of a worker process: in few calls, and exactly once after crashes, stops and outages.

The chaos scenarios play the other failpoints and combinations.
"""

import signal

import pytest

from contract import keys
from contract.job import Job
from testing import memorizing_model
from testing.process_tree import kill_engine, wait_until_paused
from testing.processes import Process
from testing.worker_harness import StandbyWorker, WorkerHarness, context_text, reply_text
from testing.workspace import GENERAL
from worker.errors import ModelFailedError
from worker.failpoints import Failpoint
from worker.render.texts import RETRYING, STOPPED

MAX_STOPS = 5
"""Attempts to stop a reply before it ends, which takes about two seconds."""

pytestmark = [pytest.mark.usefixtures("worker")]


def assert_answered_once(harness: WorkerHarness, job: Job) -> None:
    """Assert that the thread shows exactly the answer, and that the job is over."""
    [message] = harness.wait_for_end(job)
    assert reply_text([message]) == memorizing_model.ANSWERS[memorizing_model.MUTEX]
    harness.wait_for_result(job)
    [later] = harness.bot_messages(job)
    assert (later["ts"], reply_text([later])) == (message["ts"], reply_text([message]))
    assert harness.redis.zscore(keys.PENDING_JOBS, job.id) is None


def test_reply_costs_one_post_some_edits_and_one_final(harness: WorkerHarness) -> None:
    """No call is rejected, and none has an argument that Slack does not know."""
    job = harness.enqueue_question(memorizing_model.ENDLESS)
    harness.wait_for_end(job)

    calls = harness.job_calls(job)
    states = [call["args"]["metadata"]["event_payload"]["state"] for call in calls]
    assert states == ["placeholder", *["growing"] * (len(calls) - 2), "final"]
    assert [call["error"] for call in calls if not call["ok"]] == []
    assert [call["unknown"] for call in calls if call["unknown"]] == []


def test_stopped_reply_keeps_its_text(harness: WorkerHarness) -> None:
    """The reply says that it was stopped."""
    for _ in range(MAX_STOPS):
        job = harness.enqueue_question(memorizing_model.ENDLESS, channel=GENERAL)
        harness.wait_for_growth(job)
        harness.job_queue.cancel_job(job.id)
        messages = harness.wait_for_end(job)
        assert reply_text(messages).startswith(memorizing_model.ENDLESS_CHUNK.strip())
        if str(STOPPED) in context_text(messages):
            return
    raise AssertionError("every reply ended before its stop")


def test_deleted_placeholder_ends_the_job_silently(harness: WorkerHarness) -> None:
    """A deleted reply is not posted again."""
    job = harness.enqueue_question(memorizing_model.ENDLESS)
    [message] = harness.wait_for_growth(job)
    harness.workspace.send_control("delete", channel=GENERAL, ts=message["ts"])
    harness.wait_for_result(job)
    assert harness.bot_messages(job) == []
    assert harness.count_pending() == 0


def test_killed_engine_restarts_and_the_reply_is_retried(
    harness: WorkerHarness, worker: Process
) -> None:
    """The message announces the retry and becomes the reply; two attempts are counted."""
    job = harness.enqueue_question(memorizing_model.ENDLESS)
    [growing] = harness.wait_for_growth(job)
    kill_engine(worker.pid)
    harness.workspace.wait_until(
        lambda: str(RETRYING) in context_text(harness.reply_messages(job)) or None
    )
    [message] = harness.wait_for_end(job)
    assert message["ts"] == growing["ts"]
    assert reply_text([message]).startswith(memorizing_model.ENDLESS_CHUNK.strip())
    assert harness.bot_messages(job) == [message]
    harness.wait_for_result(job)
    assert harness.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) == b"2"


@pytest.mark.slow
def test_last_attempt_that_kills_the_engine_posts_an_error(
    harness: WorkerHarness, model: str, standby: StandbyWorker
) -> None:
    """A question that waits for the only slot says so, and is answered after the crash."""
    with harness.start_worker(model, STARCHAT_MAX_ATTEMPTS="1", STARCHAT_SLOTS="1") as worker:
        worker.wait_for_event("model loaded")
        job = harness.enqueue_question(memorizing_model.ENDLESS)
        harness.wait_for_growth(job)
        waiting = harness.enqueue_question(memorizing_model.MUTEX)
        [placeholder] = harness.wait_for_reply(waiting)
        assert "next" in context_text([placeholder])

        kill_engine(worker.pid)
        [message] = harness.wait_for_end(job)
        assert str(ModelFailedError.user_message) in context_text([message])
        assert_answered_once(harness, waiting)
        harness.wait_for_result(job)
        assert harness.rq_status(job) == "failed"


@pytest.mark.redis
def test_redis_outage_during_replies_costs_no_attempt(
    harness: WorkerHarness, worker: Process
) -> None:
    """Each reply is generated once, and later questions are answered."""
    jobs = [
        harness.enqueue_question(memorizing_model.ENDLESS),
        harness.enqueue_question(memorizing_model.MUTEX),
    ]
    harness.wait_for_growth(jobs[0])
    harness.server.kill_server()
    worker.wait_for_event("heartbeat failed")
    harness.server.restart_server()
    for job in jobs:
        [message] = harness.wait_for_end(job)
        assert harness.bot_messages(job) == [message]
        harness.wait_for_result(job)
        assert harness.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) == b"1"
    assert_answered_once(harness, harness.enqueue_question(memorizing_model.MUTEX))


def test_job_of_killed_worker_is_answered_once(
    harness: WorkerHarness, model: str, standby: StandbyWorker
) -> None:
    """Another worker recovers the job after its lease has expired."""
    failpoint = f"{Failpoint.BEFORE_ANSWER_SAVED}:kill"
    with harness.start_worker(model, STARCHAT_FAILPOINT=failpoint) as victim:
        job = harness.enqueue_question(memorizing_model.MUTEX)
        assert victim.wait_for_exit(120) == -signal.SIGKILL
    standby.resume_worker()
    assert_answered_once(harness, job)


def test_suspended_worker_that_resumes_sends_nothing(
    harness: WorkerHarness, model: str, standby: StandbyWorker
) -> None:
    """Its lease has expired, and another worker has answered the job."""
    failpoint = f"{Failpoint.GENERATING}:pause"
    with harness.start_worker(model, STARCHAT_FAILPOINT=failpoint) as suspended:
        suspended.wait_for_event("model loaded")
        job = harness.enqueue_question(memorizing_model.MUTEX)
        wait_until_paused(suspended.pid)
        standby.resume_worker()
        assert_answered_once(harness, job)
        calls = len(harness.job_calls(job))
        suspended.send_signal(signal.SIGCONT)
        suspended.wait_for_event("job lost to another worker")
        assert suspended.stop_process() == 0
    assert len(harness.job_calls(job)) == calls
    assert_answered_once(harness, job)
