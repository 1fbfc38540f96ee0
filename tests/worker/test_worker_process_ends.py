"""How a worker ends, and what goes on when its engine or its Redis ends."""

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import keys
from testing import memorizing_model
from testing.process_tree import freeze_engine, kill_engine
from testing.processes import Process
from testing.worker_harness import StandbyWorker, WorkerHarness, context_text, reply_text
from worker.jobs.leases import RECOVERY_COUNT

pytestmark = pytest.mark.timeout(300)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch_page(port: int, path: str) -> tuple[int, str]:
    """Return the status and the text of a page of the worker's."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


ADDRESS = "an address that starts with http and ends with /api/"
REDIS = "an address that starts with redis://, rediss:// or unix://"


@pytest.fixture(scope="module")
def port() -> int:
    """Where the module's worker answers for its health."""
    return free_port()


@pytest.fixture(scope="module")
def worker(desk: WorkerHarness, model: str, port: int) -> Iterator[Process]:
    """A worker that writes long replies and has its model loaded."""
    with desk.start_worker(model, HEALTH_PORT=str(port)) as worker:
        worker.wait_for_event("worker started")
        assert fetch_page(port, "/healthz") == (200, "alive\n")
        status, text = fetch_page(port, "/readyz")
        assert (status, text.partition(" (")[0]) == (503, "waiting for the model")
        assert text.endswith(")\n"), "the stage of loading"
        worker.wait_for_event("model loaded", timeout=120)
        yield worker


def test_a_worker_from_its_first_question_to_its_end(
    desk: WorkerHarness, model: str, survivor: StandbyWorker
) -> None:
    """
    A question that comes before the model is told so, and gets its reply in the same message.

    Told to end, the worker finishes what it has, takes no more, leaves no trace and exits 0.
    """
    with desk.start_worker(model) as worker:
        worker.wait_for_event("worker started")
        early = desk.enqueue_question(memorizing_model.MUTEX)
        [sign] = desk.wait_for_reply(early)
        [message] = desk.wait_for_end(early, timeout=120)
        assert "still loading" in context_text([sign])
        assert sign["ts"] == message["ts"]
        assert reply_text([message]) == memorizing_model.ANSWERS[memorizing_model.MUTEX]

        job = desk.enqueue_question(memorizing_model.ENDLESS)
        desk.wait_for_growth(job)
        worker.send_signal(signal.SIGTERM)
        worker.wait_for_event("worker draining")
        later = desk.enqueue_question(memorizing_model.MUTEX)
        assert worker.wait_for_exit() == 0
    desk.wait_for_result(job)
    assert desk.rq_status(job) == "finished"
    assert desk.reply_messages(later) == []
    assert desk.redis.hlen(keys.WORKER_STATUSES) == 0
    desk.job_queue.cancel_job(later.id)


def test_a_worker_that_is_told_twice_gives_back_what_it_has(
    desk: WorkerHarness, model: str, survivor: StandbyWorker
) -> None:
    """The job is at the front again, no attempt is counted, and the next worker goes on with it."""
    with desk.start_worker(model) as worker:
        worker.wait_for_event("model loaded", timeout=120)
        job = desk.enqueue_question(memorizing_model.ENDLESS)
        following = desk.enqueue_question(memorizing_model.MUTEX, previous=job)
        [growing] = desk.wait_for_growth(job)
        freeze_engine(worker.pid)
        worker.send_signal(signal.SIGTERM)
        worker.wait_for_event("worker draining")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait_for_exit() == 0
    assert (desk.rq_status(job), desk.rq_status(following)) == ("queued", "deferred")
    assert desk.redis.lrange("rq:queue:starchat", 0, -1) == [job.id.encode()]
    assert int(desk.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) or 0) == 0

    survivor.resume_worker()
    [message] = desk.wait_for_end(job)
    assert message["ts"] == growing["ts"]
    assert reply_text([message]).startswith(memorizing_model.ENDLESS_CHUNK.strip())
    assert len(desk.wait_for_end(following)) == 1
    desk.wait_for_result(following)


def test_a_question_that_was_lost_unseen_is_not_called_a_second_try(
    desk: WorkerHarness, survivor: StandbyWorker
) -> None:
    """Nothing went wrong for a reader who has seen nothing yet."""
    start = desk.workspace.get_json("_control/changes")["next"]
    job = desk.enqueue_question(memorizing_model.MUTEX)
    desk.redis.hset(f"rq:job:{job.id}", RECOVERY_COUNT, 1)
    survivor.resume_worker()
    desk.wait_for_end(job)
    shown = [change["message"] for change in desk.workspace.message_changes(start)]
    assert len(shown) >= 3
    assert "trying again" not in context_text(shown)


def test_an_engine_that_dies_is_started_again(desk: WorkerHarness, worker: Process) -> None:
    """The reader sees that it goes on; the reply comes once, in the same message."""
    job = desk.enqueue_question(memorizing_model.ENDLESS)
    [growing] = desk.wait_for_growth(job, timeout=120)
    kill_engine(worker.pid)
    desk.workspace.wait_until(
        lambda: "trying again" in context_text(desk.reply_messages(job)) or None
    )
    [message] = desk.wait_for_end(job, timeout=120)
    assert message["ts"] == growing["ts"]
    assert reply_text([message]).startswith(memorizing_model.ENDLESS_CHUNK.strip())
    assert desk.bot_messages(job) == [message]
    desk.wait_for_result(job)
    assert desk.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) == b"2"


@pytest.mark.slow
def test_a_question_at_its_last_attempt_ends_as_a_sentence(
    desk: WorkerHarness, model: str, survivor: StandbyWorker
) -> None:
    """
    When the engine dies as often as a question may try, the thread is told so, once.

    With a single slot, who waits for it is told that too, and is answered in the end.
    """
    with desk.start_worker(model, STARCHAT_MAX_ATTEMPTS="1", STARCHAT_SLOTS="1") as worker:
        worker.wait_for_event("model loaded", timeout=120)
        job = desk.enqueue_question(memorizing_model.ENDLESS)
        desk.wait_for_growth(job)
        waiting = desk.enqueue_question(memorizing_model.MUTEX)
        [sign] = desk.wait_for_reply(waiting)
        assert "next" in context_text([sign])

        kill_engine(worker.pid)
        [message] = desk.wait_for_end(job)
        assert "more than once" in context_text([message])
        [answer] = desk.wait_for_end(waiting, timeout=120)
        assert reply_text([answer]) == memorizing_model.ANSWERS[memorizing_model.MUTEX]
        desk.wait_for_result(job)
        assert desk.rq_status(job) == "failed"


@pytest.mark.redis
def test_a_redis_that_goes_away_for_a_while_costs_nothing(
    desk: WorkerHarness, worker: Process
) -> None:
    """Replies in the making survive a restart of Redis and are generated once."""
    jobs = [
        desk.enqueue_question(memorizing_model.ENDLESS),
        desk.enqueue_question(memorizing_model.MUTEX),
    ]
    desk.wait_for_growth(jobs[0], timeout=120)
    desk.server.kill_server()
    worker.wait_for_event("heartbeat failed")
    desk.server.restart_server()
    for job in jobs:
        [message] = desk.wait_for_end(job)
        assert desk.bot_messages(job) == [message]
        desk.wait_for_result(job)
        assert desk.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) == b"1"
    later = desk.enqueue_question(memorizing_model.GREET)
    assert reply_text(desk.wait_for_end(later)) == memorizing_model.ANSWERS[memorizing_model.GREET]


def test_health_readiness_and_numbers_are_served(
    desk: WorkerHarness, worker: Process, port: int
) -> None:
    """The numbers of a worker hold neither ids nor text."""
    job = desk.enqueue_question(memorizing_model.MUTEX)
    desk.wait_for_end(job, timeout=120)
    desk.wait_for_result(job)
    assert fetch_page(port, "/readyz") == (200, "ready\n")
    _, numbers = fetch_page(port, "/metrics")
    assert 'starchat_jobs_total{outcome="answered"}' in numbers
    assert 'starchat_slack_calls_total{method="chat.postMessage",outcome="ok"}' in numbers
    assert "starchat_queue_wait_seconds_count" in numbers
    assert job.ts not in numbers
    assert "T0FAKE" not in numbers


def test_a_model_that_cannot_be_loaded_ends_the_worker_with_a_line(
    desk: WorkerHarness, survivor: StandbyWorker, tmp_path: Path
) -> None:
    """The operator reads why; the question keeps its place and its reader is told to wait."""
    job = desk.enqueue_question(memorizing_model.MUTEX)
    with desk.start_worker(str(tmp_path)) as worker:
        assert worker.wait_for_exit(120) == 1
        assert "worker: STARCHAT_MODEL cannot be loaded: " in worker.log_text.splitlines()[-1]
    assert desk.rq_status(job) == "queued"
    assert int(desk.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) or 0) == 0
    [message] = desk.reply_messages(job)
    assert "could not be loaded" in context_text([message])
    survivor.resume_worker()
    assert reply_text(desk.wait_for_end(job)) == memorizing_model.ANSWERS[memorizing_model.MUTEX]


def test_a_question_that_waits_too_long_is_told_so(
    desk: WorkerHarness, model: str, survivor: StandbyWorker
) -> None:
    """Nobody waits for ever without a word."""
    with desk.start_worker(model, STARCHAT_DEADLINE="0.01"):
        job = desk.enqueue_question(memorizing_model.MUTEX)
        [message] = desk.wait_for_end(job)
        desk.wait_for_result(job)
    assert "waited longer" in context_text([message])
    assert desk.rq_status(job) == "failed"


def test_a_token_that_slack_refuses_ends_the_worker_with_a_line(
    desk: WorkerHarness, survivor: StandbyWorker
) -> None:
    """No question is spent on a wrong token."""
    job = desk.enqueue_question(memorizing_model.MUTEX)
    with desk.start_worker("nowhere", SLACK_BOT_TOKEN="xoxb-wrong") as worker:
        assert worker.wait_for_exit() == 1
        assert "SLACK_BOT_TOKEN must be a token that Slack accepts" in worker.log_text
        assert "xoxb-wrong" not in worker.log_text
    assert desk.rq_status(job) == "queued"
    desk.job_queue.cancel_job(job.id)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "STARCHAT_HEARTBEAT_INTERVAL",
            "1",
            (
                "STARCHAT_HEARTBEAT_INTERVAL must be less than a third of "
                "STARCHAT_LEASE_SECONDS (3), not '1'"
            ),
        ),
        ("HEALTH_PORT", "http", "HEALTH_PORT must be a port from 0 to 65535, not 'http'"),
        (
            "SLACK_API_URL",
            "https://slack.com",
            f"SLACK_API_URL must be {ADDRESS}, not 'https://slack.com'",
        ),
        (
            "REDIS_URL",
            "http://127.0.0.1",
            f"REDIS_URL must be {REDIS}, not the given one",
        ),
        (
            "STARCHAT_FAILPOINT",
            "somewhere:kill",
            "STARCHAT_FAILPOINT must be failpoint:kill or failpoint:pause, not 'somewhere:kill'",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start(
    desk: WorkerHarness, name: str, value: str, line: str
) -> None:
    """One line says which, what was expected and what it was; the exit status is 2."""
    with desk.start_worker("nowhere", **{name: value}) as worker:
        assert worker.wait_for_exit() == 2
        assert worker.lines == [f"worker: {line}"]


def test_a_worker_waits_for_a_redis_that_is_not_there_yet(
    desk: WorkerHarness, tmp_path: Path
) -> None:
    """It says so once and ends when it is told to."""
    with Process(
        "worker",
        **desk.workspace.environment,
        REDIS_URL=f"unix://{tmp_path}/redis.sock",
        STARCHAT_MODEL=str(tmp_path),
    ) as worker:
        worker.wait_for_event("redis does not answer")
        assert worker.stop_process() in {0, 1}
    said = [line for line in worker.lines if "redis does not answer" in line]
    assert len(said) == 1
    assert json.loads(said[0])["error"] == "ConnectionError"


def test_a_worker_waits_for_a_redis_that_lets_it_do_nothing_yet(
    desk: WorkerHarness, tmp_path: Path
) -> None:
    """Its user may enter and not yet do anything: it says so once and goes on when it may."""

    def may(*commands: str) -> None:
        rule = ("ACL", "SETUSER", "narrow", "on", ">secret", "~*", "&*", *commands)
        desk.redis.execute_command(*rule)  # type: ignore[no-untyped-call]

    may("-@all", "+@connection")
    url = f"unix://narrow:secret@{desk.server.socket}"
    with desk.start_worker(str(tmp_path), REDIS_URL=url) as worker:
        refused = worker.wait_for_event("redis does not answer")
        may("+@all")
        # Not because of Redis: there is no model in the folder.
        assert worker.wait_for_exit() == 1
    assert refused["error"] == "NoPermissionError"
    assert worker.log_text.count("redis does not answer") == 1
    assert "STARCHAT_MODEL cannot be loaded" in worker.log_text
