"""A worker on an inference server: one reply a question, and no model library."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import keys
from testing.environment import REPOSITORY
from testing.inference_server import Fault, InferenceServerThread
from testing.memorizing_model import ANSWERS, MUTEX
from testing.processes import Process
from testing.worker_harness import WorkerHarness, reply_text
from worker.prompt.tokenizer import Tokenizer

IMPORTS = "import sys, worker.__main__, worker.app; "


@pytest.fixture(scope="module")
def inference(model: str) -> Iterator[InferenceServerThread]:
    """A server that gives the memorized answer to every prompt."""
    with InferenceServerThread() as inference:
        inference.server.reply = list(Tokenizer.from_checkpoint(Path(model)).encode(ANSWERS[MUTEX]))
        yield inference


@pytest.fixture(scope="module")
def worker(
    harness: WorkerHarness, model: str, inference: InferenceServerThread
) -> Iterator[Process]:
    """A worker on it."""
    url = inference.server.url + "/v1"
    with harness.start_worker(model, STARCHAT_ENGINE_URL=url, STARCHAT_SLOTS="2") as worker:
        loaded = worker.wait_for_event("model loaded")
        assert (loaded["device"], loaded["slots"]) == ("vLLM server", 2)
        yield worker


def test_reply_comes_from_the_server(harness: WorkerHarness, worker: Process) -> None:
    """The text is decoded from the server's ids."""
    job = harness.enqueue_question(MUTEX)
    [message] = harness.wait_for_end(job)

    assert reply_text([message]).strip() == ANSWERS[MUTEX]


def test_server_has_no_more_requests_than_slots(
    harness: WorkerHarness, worker: Process, inference: InferenceServerThread
) -> None:
    """The worker holds a third question, which waits in the only line: StarChat's."""
    inference.hold_streams(is_held=True)
    jobs = [harness.enqueue_question(f"{MUTEX} {number}") for number in range(3)]
    harness.workspace.wait_until(
        lambda: any(
            "Your question is next." in message["text"]
            for job in jobs
            for message in harness.reply_messages(job)
        )
    )
    inference.hold_streams(is_held=False)

    for job in jobs:
        [message] = harness.wait_for_end(job)
        assert reply_text([message]).strip() == ANSWERS[MUTEX]
    assert inference.server.most_running == 2


def test_restart_of_the_server_ends_in_one_reply(
    harness: WorkerHarness, worker: Process, inference: InferenceServerThread
) -> None:
    """The growing reply becomes the final one after the restart."""
    inference.hold_streams(is_held=True)
    job = harness.enqueue_question(MUTEX)
    [growing] = harness.wait_for_growth(job)
    inference.stop_serving()
    worker.wait_for_event("remote_engine_away")
    inference.hold_streams(is_held=False)
    inference.start_serving()
    [message] = harness.wait_for_end(job)

    assert message["ts"] == growing["ts"]
    assert reply_text([message]).strip() == ANSWERS[MUTEX]


def test_busy_server_costs_no_attempt(
    harness: WorkerHarness, worker: Process, inference: InferenceServerThread
) -> None:
    """A question outlasts more refusals than it has attempts."""
    inference.server.faults += [Fault.BUSY] * 4
    job = harness.enqueue_question(MUTEX)
    [message] = harness.wait_for_end(job)

    assert reply_text([message]).strip() == ANSWERS[MUTEX]
    assert harness.redis.hget(f"rq:job:{job.id}", keys.ATTEMPTS) == b"1"


def test_wrong_model_stops_the_worker_with_one_line(
    harness: WorkerHarness, model: str, inference: InferenceServerThread
) -> None:
    """The line names the setting and says what was expected."""
    inference.server.faults += [Fault.WRONG_PROMPT]
    url = inference.server.url
    with harness.start_worker(model, STARCHAT_ENGINE_URL=url) as worker:
        assert worker.wait_for_exit() == 1
        assert worker.log_text.splitlines()[-1] == (
            "worker: STARCHAT_ENGINE_URL cannot be used: "
            "the server read other token ids than it was sent"
        )


def test_worker_imports_no_model_library() -> None:
    """Torch and transformers are imported by the engine's own process alone."""
    heavy = ("torch", "transformers", "accelerate", "safetensors")
    code = IMPORTS + f"print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
