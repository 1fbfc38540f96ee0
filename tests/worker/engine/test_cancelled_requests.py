"""Cancelled requests: their slots, and what their KV leaves to later requests."""

from dataclasses import replace

import pytest
import torch

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineFactory,
    EngineReply,
    record_step,
    reference_greedy,
    run_requests,
)
from tests.worker.engine.test_failures import (
    GOOD_REQUESTS,
    POISON_TOKEN,
    Models,
    expected_replies,
)
from worker.engine import FinishReason, Request


def test_cancelled_prefill_leaves_no_nan(models: Models, new_engine: EngineFactory) -> None:
    """Before its first logits nothing else shows that its KV is unusable."""
    table = models("llama").network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[POISON_TOKEN].clone()
    engine = new_engine("llama", slots=2, max_step_tokens=16)
    try:
        table[POISON_TOKEN] = torch.nan
        bad = Request("bad", (*[20] * 14, POISON_TOKEN, *[20] * 40), GREEDY_SAMPLING)
        assert engine.add_request(bad) is None
        engine.run_step()
        assert engine.cancel_request(bad.id)
    finally:
        table[POISON_TOKEN] = kept
    # A short prompt decodes in that slot, beside a longer one, before the NaN's position.
    requests = [Request("short", (20, 21), GREEDY_SAMPLING), GOOD_REQUESTS[4]]
    replies = run_requests(engine, requests, allow_errors=True)

    expected = reference_greedy(models("llama").network, requests[0])
    assert replies["short"] == EngineReply(expected, FinishReason.LENGTH)
    assert replies[GOOD_REQUESTS[4].id] == expected_replies("llama")[GOOD_REQUESTS[4].id]


def test_cancelled_prefill_keeps_its_prefix(new_engine: EngineFactory) -> None:
    """An edited question continues from what its first text had computed."""
    engine = new_engine(slots=1, max_step_tokens=12)
    first = Request("first", tuple(range(20, 90)), GREEDY_SAMPLING, scope="T")
    engine.add_request(first)
    engine.run_step()
    num_computed_tokens = engine.scheduler.running[first.id].num_computed_tokens
    engine.cancel_request(first.id)
    engine.add_request(replace(first, id="edited"))
    engine.admit_waiting()

    assert 0 < num_computed_tokens < len(first.prompt) - 1
    assert engine.scheduler.running["edited"].num_computed_tokens == num_computed_tokens


@pytest.mark.parametrize("steps", [0, 1, 2, 10])
def test_aborted_request_frees_its_slot_at_once(
    models: Models, new_engine: EngineFactory, steps: int
) -> None:
    """While waiting, in prefill or in decode: it keeps its tokens, and the next request runs."""
    engine = new_engine(slots=1, max_step_tokens=16)
    engine.add_request(GOOD_REQUESTS[4])
    replies = {GOOD_REQUESTS[4].id: EngineReply()}
    for _ in range(steps):
        record_step(replies, engine.run_step())

    ended = engine.cancel_request(GOOD_REQUESTS[4].id)

    assert ended is not None
    assert (ended.reason, ended.new_tokens) == (
        FinishReason.STOPPED,
        len(replies[GOOD_REQUESTS[4].id].ids),
    )
    assert engine.cancel_request(GOOD_REQUESTS[4].id) is None
    assert run_requests(engine, GOOD_REQUESTS[:1]) == {
        GOOD_REQUESTS[0].id: expected_replies("bigcode")[GOOD_REQUESTS[0].id]
    }
