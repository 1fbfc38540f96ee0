"""Captured steps against transformers' own attention, which has no KV cache and no batch."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from testing.in_process_engine import CapturedEngine, build_captured_engine
from worker.engine import Request, SamplingParams
from worker.engine.attention.backend import BACKEND_NAME
from worker.engine.core.model_runner import ModelRunner
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.cuda_graphs.dummy_steps import make_dummy_step
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]


def compute_reference(network: Any, scheduled: ScheduledRequest) -> Tensor:
    """Return the logits of a request's share of a step, by its whole text at once."""
    token_ids = [*scheduled.state.token_ids[: scheduled.start], *scheduled.token_ids]
    network.set_attn_implementation("eager")
    try:
        logits: Tensor = network(torch.tensor([token_ids]), use_cache=False).logits[0]
    finally:
        network.set_attn_implementation(BACKEND_NAME)
    return logits[len(logits) - scheduled.num_logits :]


def fill_slots(captured: CapturedEngine, network: Any, step: list[ScheduledRequest]) -> None:
    """Compute what the requests of a step have before it; other slots and positions hold noise."""
    captured.kv_cache.fill_with_noise()
    runner = ModelRunner(network, captured.kv_cache)
    for scheduled in step:
        if scheduled.start:
            before = scheduled.state.token_ids[: scheduled.start]
            request = Request("", tuple(before), SamplingParams())
            state = RequestState(request, before, arrival=0, slot=scheduled.state.slot)
            runner.run_eager([ScheduledRequest(state, 0, len(before))])


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
@pytest.mark.parametrize(("is_packed", "num_shapes"), [(True, 5), (False, 3)])
def test_replayed_steps_equal_transformers(
    models: Models, kind: str, num_shapes: int, *, is_packed: bool
) -> None:
    """Each shape with decodes, drafts and a chunk in the last slots, and noise in all others."""
    network: Any = models(kind).network
    captured = build_captured_engine(
        models(kind), slots=4, num_speculative_tokens=4, is_packed=is_packed
    )
    shapes = captured.graphs.shapes.list_shapes()
    with torch.inference_mode():
        for shape in shapes:
            step = make_dummy_step(shape, captured.graphs.shapes.num_slots)
            fill_slots(captured, network, step)
            captured.graphs(step)  # captures the shape
            fill_slots(captured, network, step)
            replayed = captured.graphs(step)
            expected = torch.cat([compute_reference(network, scheduled) for scheduled in step])

            assert replayed is not None
            torch.testing.assert_close(replayed.logits, expected, rtol=1e-3, atol=1e-3)

    assert len(shapes) == num_shapes == captured.capture.replayed / 2
