"""Deadlines: an expired request ends with its tokens so far, without effect on others."""

import time
from dataclasses import replace

import pytest

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    EngineReply,
    record_step,
    run_requests,
)
from worker.engine import FinishReason, Request
from worker.engine.core.engine_core import EngineCore
from worker.engine.core.scheduler import Scheduler

LATE_REQUEST = Request("late", tuple(range(100, 160)), GREEDY_SAMPLING, scope="T1", priority=1)
GOOD_REQUESTS = [
    Request(f"good {n}", tuple(range(20 + n, 40 + 3 * n)), GREEDY_SAMPLING) for n in range(3)
]


def test_expired_requests_are_waiting_or_running() -> None:
    """The deadline itself counts as expired; a request without a deadline never expires."""
    schedule = Scheduler(num_slots=1, max_step_tokens=10)
    for name, deadline in (("runs", 5.0), ("waits", 7.0), ("never", None)):
        schedule.add_request(replace(LATE_REQUEST, id=name, deadline=deadline))
    schedule.admit_waiting()

    found = [schedule.expired_requests(now) for now in (4.9, 5.0, 7.0, 1e9)]

    assert found == [[], ["runs"], ["runs", "waits"], ["runs", "waits"]]


def expire_deadline(engine: EngineCore, request_id: str) -> None:
    """Set the deadline of a running request to now."""
    state = engine.scheduler.running[request_id]
    state.request = replace(state.request, deadline=time.monotonic())


@pytest.mark.parametrize("steps", [1, 4, 12], ids=["being read", "just read", "growing"])
@pytest.mark.parametrize("num_speculative_tokens", [0, 8], ids=["undrafted", "drafted"])
def test_expired_request_ends_and_others_continue(
    new_engine: EngineFactory, steps: int, num_speculative_tokens: int
) -> None:
    """Its slot is free in the same step, and its tokens are the start of the full reply."""
    whole = run_requests(new_engine(), [LATE_REQUEST])["late"]
    expected = run_requests(new_engine(), GOOD_REQUESTS)
    engine = new_engine(slots=3, max_step_tokens=20, num_speculative_tokens=num_speculative_tokens)
    replies = {
        request.id: EngineReply(failure=engine.add_request(request))
        for request in (LATE_REQUEST, *GOOD_REQUESTS)
    }
    for _ in range(steps):
        record_step(replies, engine.run_step())

    expire_deadline(engine, "late")
    record_step(replies, engine.run_step())

    assert "late" not in engine.scheduler.running
    while engine.has_unfinished_requests:
        record_step(replies, engine.run_step())
    late = replies.pop("late")
    assert late.reason is FinishReason.TIMEOUT
    assert late.ids == whole.ids[: len(late.ids)]
    assert replies == expected


def test_request_can_expire_before_its_prefill(new_engine: EngineFactory) -> None:
    """It takes no step, alone or beside others."""
    engine = new_engine(slots=1)
    past = replace(LATE_REQUEST, deadline=time.monotonic())

    assert run_requests(engine, [past]) == {"late": EngineReply([], FinishReason.TIMEOUT)}
    assert (
        run_requests(engine, [past, GOOD_REQUESTS[0]])[GOOD_REQUESTS[0].id]
        == run_requests(new_engine(), GOOD_REQUESTS[:1])[GOOD_REQUESTS[0].id]
    )


def test_prefix_of_an_expired_request_is_reused(new_engine: EngineFactory) -> None:
    """The next turn of its thread doesn't prefill from the beginning."""
    engine = new_engine()
    engine.add_request(LATE_REQUEST)
    engine.run_step()
    expire_deadline(engine, "late")
    engine.run_step()

    [past] = engine.scheduler.slot_allocator.cached_prefixes.values()
    assert past.token_ids == LATE_REQUEST.prompt
