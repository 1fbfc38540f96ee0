"""Lifecycle of a worker process: start-up, health endpoints, drain and failures."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import keys
from testing import memorizing_model
from testing.fork_server import EngineGate
from testing.process_tree import freeze_engine
from testing.processes import Process, fetch_page, free_port
from testing.redis_server import RedisServer
from testing.worker_harness import StandbyWorker, WorkerHarness, context_text, reply_text
from worker.errors import ModelUnavailableError
from worker.jobs.leases import RECOVERY_COUNT
from worker.render.texts import RETRYING

STOP_MARGIN_SECONDS = 30
"""Seconds that docker-compose.yml gives a worker beyond `STARCHAT_SHUTDOWN_GRACE`."""


@pytest.fixture(scope="module")
def port() -> int:
    """Port of the worker's health endpoints."""
    return free_port()


@pytest.fixture(scope="module")
def worker(
    harness: WorkerHarness, model: str, port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    """A worker with health endpoints and its model loaded."""
    gate = EngineGate(tmp_path_factory.mktemp("gate"))
    with harness.start_worker(model, HEALTH_PORT=str(port), **gate.environment) as worker:
        worker.wait_for_event("worker started")
        assert fetch_page(port, "/healthz") == (200, "alive\n")
        status, text = fetch_page(port, "/readyz")
        assert (status, text.partition(" (")[0]) == (503, "waiting for the model")
        assert text.endswith(")\n"), "the stage of loading"
        gate.open_gate()
        worker.wait_for_event("model loaded")
        yield worker


def test_worker_announces_loading_and_drains_on_sigterm(
    harness: WorkerHarness, model: str, standby: StandbyWorker, tmp_path: Path
) -> None:
    """
    A question before the model is loaded shows that, and gets its reply in the same message.

    On SIGTERM the worker finishes its jobs, takes no more, deletes its presence and exits 0.
    """
    gate = EngineGate(tmp_path)
    with harness.start_worker(model, **gate.environment) as worker:
        worker.wait_for_event("worker started")
        early = harness.enqueue_question(memorizing_model.MUTEX)
        [placeholder] = harness.wait_for_reply(early)
        gate.open_gate()
        [message] = harness.wait_for_end(early)
        assert "still loading" in context_text([placeholder])
        assert placeholder["ts"] == message["ts"]
        assert reply_text([message]) == memorizing_model.ANSWERS[memorizing_model.MUTEX]

        job = harness.enqueue_question(memorizing_model.ENDLESS)
        harness.wait_for_growth(job)
        worker.send_signal(signal.SIGTERM)
        worker.wait_for_event("worker draining")
        later = harness.enqueue_question(memorizing_model.MUTEX)
        assert worker.wait_for_exit() == 0
    harness.wait_for_result(job)
    assert harness.rq_status(job) == "finished"
    assert harness.reply_messages(later) == []
    assert harness.redis.hlen(keys.WORKER_STATUSES) == 0
    harness.job_queue.cancel_job(later.id)


def test_second_sigterm_requeues_running_jobs(
    harness: WorkerHarness, model: str, standby: StandbyWorker
) -> None:
    """The job is at the front, no attempt is counted, and the next worker continues its message."""
    with harness.start_worker(model) as worker:
        worker.wait_for_event("model loaded")
        job = harness.enqueue_question(memorizing_model.ENDLESS)
        following = harness.enqueue_question(memorizing_model.MUTEX, previous=job)
        [growing] = harness.wait_for_growth(job)
        freeze_engine(worker.pid)
        worker.send_signal(signal.SIGTERM)
        worker.wait_for_event("worker draining")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait_for_exit() == 0
    assert (harness.rq_status(job), harness.rq_status(following)) == ("queued", "deferred")
    assert harness.redis.lrange("rq:queue:starchat", 0, -1) == [job.id.encode()]
    assert int(harness.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) or 0) == 0

    standby.resume_worker()
    [message] = harness.wait_for_end(job)
    assert message["ts"] == growing["ts"]
    assert reply_text([message]).startswith(memorizing_model.ENDLESS_CHUNK.strip())
    assert len(harness.wait_for_end(following)) == 1
    harness.wait_for_result(following)


def test_recovered_job_without_placeholder_announces_no_retry(
    harness: WorkerHarness, standby: StandbyWorker
) -> None:
    """Its reader has seen nothing yet."""
    start = harness.workspace.get_json("_control/changes")["next"]
    job = harness.enqueue_question(memorizing_model.MUTEX)
    harness.redis.hset(f"rq:job:{job.id}", RECOVERY_COUNT, 1)
    standby.resume_worker()
    harness.wait_for_end(job)
    shown = [change["message"] for change in harness.workspace.message_changes(start)]
    assert len(shown) >= 3
    assert str(RETRYING) not in context_text(shown)


def test_health_readiness_and_metrics_are_served(
    harness: WorkerHarness, worker: Process, port: int
) -> None:
    """The metrics contain neither ids nor text."""
    job = harness.enqueue_question(memorizing_model.MUTEX)
    harness.wait_for_end(job)
    harness.wait_for_result(job)
    assert fetch_page(port, "/readyz") == (200, "ready\n")
    _, numbers = fetch_page(port, "/metrics")
    assert 'starchat_jobs_total{outcome="answered"}' in numbers
    assert 'starchat_slack_calls_total{method="chat.postMessage",outcome="ok"}' in numbers
    assert "starchat_queue_wait_seconds_count" in numbers
    assert job.ts not in numbers
    assert "T0FAKE" not in numbers


def test_unloadable_model_exits_1_with_one_line(
    harness: WorkerHarness, standby: StandbyWorker, tmp_path: Path
) -> None:
    """The question stays queued without an attempt, and its message names the problem."""
    job = harness.enqueue_question(memorizing_model.MUTEX)
    gate, directory = EngineGate(tmp_path), tmp_path / "model"
    directory.mkdir()
    with harness.start_worker(str(directory), **gate.environment) as worker:
        harness.wait_for_reply(job)
        gate.open_gate()
        assert worker.wait_for_exit(120) == 1
        assert "worker: STARCHAT_MODEL cannot be used: " in worker.log_text.splitlines()[-1]
    assert harness.rq_status(job) == "queued"
    assert int(harness.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) or 0) == 0
    [message] = harness.reply_messages(job)
    assert str(ModelUnavailableError.user_message) in context_text([message])
    standby.resume_worker()
    assert reply_text(harness.wait_for_end(job)) == memorizing_model.ANSWERS[memorizing_model.MUTEX]


def test_rejected_token_exits_2_with_one_line(
    harness: WorkerHarness, standby: StandbyWorker
) -> None:
    """The question stays queued, and the log does not contain the token."""
    job = harness.enqueue_question(memorizing_model.MUTEX)
    with harness.start_worker("nowhere", SLACK_BOT_TOKEN="xoxb-wrong") as worker:
        assert worker.wait_for_exit() == 2
        line = "SLACK_BOT_TOKEN must be a token that Slack accepts, not the given one"
        assert worker.lines[-1] == f"worker: {line} (invalid_auth)"
        assert "xoxb-wrong" not in worker.log_text
    assert harness.rq_status(job) == "queued"
    harness.job_queue.cancel_job(job.id)


def test_wrong_setting_exits_2_with_one_line(harness: WorkerHarness) -> None:
    """The line names the setting, its expected and its actual value."""
    with harness.start_worker("nowhere", HEALTH_PORT="http") as worker:
        assert worker.wait_for_exit() == 2
        assert worker.lines == ["worker: HEALTH_PORT must be a port from 0 to 65535, not 'http'"]


def test_unescaped_sign_in_redis_password_exits_2_with_one_line(harness: WorkerHarness) -> None:
    """The worker used to hang, without a line and deaf to SIGTERM; the line shows no password."""
    with harness.start_worker("nowhere", REDIS_URL="redis://:s3cr#t@127.0.0.1:6379/0") as worker:
        assert worker.wait_for_exit() == 2
        [line] = worker.lines
    assert line.startswith("worker: REDIS_URL must be an address")
    assert "s3cr" not in line


def test_worker_waits_for_an_unreachable_redis(harness: WorkerHarness, tmp_path: Path) -> None:
    """It logs the problem once and exits on SIGTERM."""
    with Process(
        "worker",
        **harness.workspace.environment,
        REDIS_URL=f"unix://{tmp_path}/redis.sock",
        STARCHAT_MODEL=str(tmp_path),
    ) as worker:
        worker.wait_for_event("redis does not answer")
        assert worker.stop_process() in {0, 1}
    said = [line for line in worker.lines if "redis does not answer" in line]
    assert len(said) == 1
    assert json.loads(said[0])["error"] == "ConnectionError"


def test_worker_waits_for_redis_permissions(harness: WorkerHarness, model: str) -> None:
    """It logs the problem once and starts when its user has the permissions."""

    def grant(*commands: str) -> None:
        rule = ("ACL", "SETUSER", "narrow", "on", ">secret", "~*", "&*", *commands)
        harness.redis.execute_command(*rule)  # type: ignore[no-untyped-call]

    grant("-@all", "+@connection")
    url = f"unix://narrow:secret@{harness.server.socket}"
    with harness.start_worker(model, REDIS_URL=url) as worker:
        refused = worker.wait_for_event("redis does not answer")
        grant("+@all")
        worker.wait_for_event("worker started")
    assert refused["error"] == "NoPermissionError"
    assert worker.log_text.count("redis does not answer") == 1


def test_worker_ends_in_time_while_redis_hangs(
    harness: WorkerHarness, model: str, server: RedisServer
) -> None:
    """Redis accepts connections and never answers; the worker ends before its supervisor kills."""
    with harness.start_worker(model, REDIS_URL=server.url) as worker:
        worker.wait_for_event("worker started")
        os.kill(server.pid, signal.SIGSTOP)
        worker.wait_for_event("heartbeat failed")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait_for_exit(STOP_MARGIN_SECONDS) == 0
