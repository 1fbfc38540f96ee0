"""A worker whose app Slack refuses: jobs wait uncharged, and are answered once it is accepted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import keys
from testing import memorizing_model
from testing.polling import poll_until
from testing.processes import Process, fetch_page, free_port
from testing.worker_harness import WorkerHarness, reply_text
from testing.workspace import BOT_TOKEN
from worker.jobs.leases import RECOVERY_COUNT

ANSWER = memorizing_model.ANSWERS[memorizing_model.MUTEX]


@pytest.fixture(scope="module")
def port() -> int:
    """Port of the worker's health endpoints."""
    return free_port()


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the worker's token."""
    path = tmp_path_factory.mktemp("secrets") / "token"
    path.write_text(f"{BOT_TOKEN}\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def worker(harness: WorkerHarness, model: str, port: int, token_file: Path) -> Iterator[Process]:
    """A worker with its model loaded."""
    with harness.start_worker(
        model,
        SLACK_BOT_TOKEN="",
        SLACK_BOT_TOKEN_FILE=str(token_file),
        HEALTH_PORT=str(port),
    ) as worker:
        worker.wait_for_event("model loaded")
        yield worker


@pytest.fixture(autouse=True)
def restore_workspace(harness: WorkerHarness) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    harness.workspace.set_faults()


@pytest.mark.parametrize(
    ("method", "error"),
    [("chat.*", "token_revoked"), ("chat.update", "account_inactive"), ("*", "org_login_required")],
)
def test_refused_jobs_wait_and_are_answered_once(
    harness: WorkerHarness, worker: Process, port: int, method: str, error: str
) -> None:
    """No attempt is counted, and `/readyz` names Slack's error until then."""
    harness.workspace.set_faults({"fault": "error", "method": method, "error": error})
    jobs = [harness.enqueue_question(memorizing_model.MUTEX) for _ in range(3)]
    worker.wait_for_event("app refused by slack")
    # On a busy machine a probe may just have succeeded: the next refusal follows.
    refusal = (503, f"waiting for Slack, which refuses the app ({error})\n")
    poll_until(lambda: fetch_page(port, "/readyz") == refusal, description="the refusal")
    assert fetch_page(port, "/healthz") == (200, "alive\n")
    # A second refusal: a probe, or the job that is tried after a successful probe.
    worker.wait_for_event("app refused by slack")
    assert harness.count_pending() == 3

    harness.workspace.set_faults()
    for job in jobs:
        [message] = harness.wait_for_end(job)
        assert reply_text([message]) == ANSWER
        assert len(harness.bot_messages(job)) == 1
        harness.wait_for_result(job)
        assert harness.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) == b"1"
        assert harness.redis.hget(f"rq:job:{job.id}", RECOVERY_COUNT) is None
    assert harness.count_pending() == 0


def test_replaced_token_file_is_read_again(
    harness: WorkerHarness, worker: Process, token_file: Path
) -> None:
    """A rotated token needs no restart, even if its file is replaced late."""
    for token in ("xoxb-rotated", BOT_TOKEN):
        harness.workspace.send_control("app", bot_token=token)
        job = harness.enqueue_question(memorizing_model.MUTEX)
        worker.wait_for_event("app refused by slack")
        token_file.write_text(f"{token}\n", "utf-8")
        assert reply_text(harness.wait_for_end(job)) == ANSWER
        harness.wait_for_result(job)
    assert "xoxb-" not in worker.log_text
