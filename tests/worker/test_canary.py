"""A worker with a canary: each thread is answered by its own model, and the reply names it."""

from pathlib import Path

import pytest

from testing.adapters import write_adapter
from testing.memorizing_model import ANSWERS, MUTEX
from testing.worker_harness import WorkerHarness, context_text, reply_text
from worker.answering.served_models import is_canary_thread


@pytest.mark.redis
def test_each_thread_is_answered_by_its_model(
    harness: WorkerHarness, model: str, tmp_path: Path
) -> None:
    """
    The canary is an adapter with random weights: its texts differ, its name is in the footer.

    Without its setting, the present model continues its thread, on a KV cache without traces of
    it.
    """
    canary = write_adapter(tmp_path / "tuned", Path(model))
    with harness.start_worker(model, STARCHAT_CANARY=f"{canary}:50%") as worker:
        for _ in range(2):
            worker.wait_for_event("model loaded")
        seen: set[bool] = set()
        while len(seen) < 2:
            job = harness.enqueue_question(MUTEX)
            messages = harness.wait_for_end(job)
            is_canary = is_canary_thread(job.thread, 0.5)
            seen.add(is_canary)
            assert ("tuned" in context_text(messages)) is is_canary
            assert (reply_text(messages).strip() == ANSWERS[MUTEX]) is not is_canary
            if is_canary:
                continued = job
    with harness.start_worker(model):
        follow_up = harness.enqueue_question(MUTEX, previous=continued)
        messages = harness.wait_for_end(follow_up)
        assert reply_text(messages).strip() == ANSWERS[MUTEX]
        assert "tuned" not in context_text(messages)


@pytest.mark.redis
def test_missing_canary_stops_the_worker_with_one_line(harness: WorkerHarness, model: str) -> None:
    """The stable model is not served alone: its operator wants a comparison."""
    with harness.start_worker(model, STARCHAT_CANARY="/nowhere:10%") as worker:
        assert worker.wait_for_exit() == 1
        assert worker.log_text.splitlines()[-1] == (
            "worker: STARCHAT_CANARY cannot be used: there is no directory /nowhere"
        )
