"""A worker with candidates: a real engine, real checks, and one reply in Slack."""

import json
from collections.abc import Iterator

import pytest

from testing import memorizing_model
from testing.processes import Process
from testing.worker_harness import WorkerHarness, reply_text
from worker.answering.publishing.finished_answer import parse_details


@pytest.fixture(scope="module")
def worker(harness: WorkerHarness, model: str) -> Iterator[Process]:
    """A worker that generates up to three candidates in four slots."""
    settings = {
        "STARCHAT_CANDIDATES": "3",
        "STARCHAT_SLOTS": "4",
        "STARCHAT_TEMPERATURE": "0.2",
    }
    with harness.start_worker(model, **settings) as worker:
        worker.wait_for_event("model loaded")
        yield worker


def test_reply_with_code_has_candidates(harness: WorkerHarness, worker: Process) -> None:
    """They are equal here, so none is offered. A reply without code has one candidate."""
    code = harness.enqueue_question(memorizing_model.REVERSE)
    prose = harness.enqueue_question(memorizing_model.MUTEX)
    [message] = harness.wait_for_end(code)
    [plain] = harness.wait_for_end(prose)

    buttons = {
        element["text"]["text"]: element["value"]
        for block in message["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    }
    assert "return items[::-1]" in reply_text([message])
    assert "Show another" not in buttons
    address, _, rest = buttons["Details"].partition("{")
    details = parse_details("{" + rest)
    assert address.split() == [code.thread.ts, code.ts, code.user]
    # On a busy machine a check may not end in time.
    assert len(details.scores) == 3
    assert details.candidate == details.chosen
    assert "scores" not in json.dumps(plain)
