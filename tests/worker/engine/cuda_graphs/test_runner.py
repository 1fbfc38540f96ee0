"""CUDA graph runner: captures, fallbacks to eager steps, and unchanged replies."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from testing.in_process_engine import (
    GREEDY_SAMPLING,
    EngineReply,
    FakeGraphCapture,
    Replay,
    TracedGraphCapture,
    build_captured_engine,
    make_mixed_requests,
    reference_greedy,
    run_requests,
)
from testing.reference_varlen import reference_varlen_attn
from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.attention.varlen_batch import VarlenBatch
from worker.engine.core.sampler import UNDECIDED
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

NUM_SPECULATIVE_TOKENS = 4
"""Maximum draft length of a request."""


def test_each_shape_is_captured_once_then_replayed(models: Models) -> None:
    """One request from position 1 to 250 has a single shape."""
    captured = build_captured_engine(models("bigcode"))

    run_requests(captured.engine_core, [Request("a", (5,), SamplingParams(250, temperature=0))])

    assert (captured.capture.captured, captured.capture.replayed) == (1, 250)


def test_planned_captures_cover_all_shapes(models: Models) -> None:
    """No shape is captured while requests run, and the replies are correct."""
    captured = build_captured_engine(
        models("bigcode"), slots=7, num_speculative_tokens=NUM_SPECULATIVE_TOKENS
    )
    with torch.inference_mode():
        for record in captured.graphs.plan_captures():
            record()
    count = captured.capture.captured
    request = Request("a", tuple(range(9)), SamplingParams(200, temperature=0))

    replies = run_requests(captured.engine_core, [request, replace(request, id="b")])

    assert count == len(captured.graphs.shapes.list_shapes()) == len(captured.graphs._replays) == 6
    assert captured.capture.captured == count
    assert replies["b"].ids == reference_greedy(models("bigcode").network, request)


def test_reallocated_kv_cache_is_captured_again(models: Models) -> None:
    """An old graph would write to memory that is gone."""
    model = models("bigcode")
    request = Request("a", tuple(range(20, 40)), GREEDY_SAMPLING)
    expected = EngineReply(reference_greedy(model.network, request), FinishReason.LENGTH)
    captured = build_captured_engine(model, capture=TracedGraphCapture())
    assert run_requests(captured.engine_core, [request])["a"] == expected
    assert captured.capture.graph_sets == 1

    captured.kv_cache.reallocate()

    assert run_requests(captured.engine_core, [request])["a"] == expected
    assert (captured.capture.graph_sets, captured.capture.captured) == (2, 4)


class RefusingCapture(FakeGraphCapture):
    """A capture whose driver refuses."""

    def capture_step(self, step: Replay) -> Replay:
        """Raise what a driver raises."""
        raise RuntimeError("operation not permitted when stream is capturing")


class StaleCapture(FakeGraphCapture):
    """A capture that replays the first step and ignores all later inputs."""

    def capture_step(self, step: Replay) -> Replay:
        """Record a step that never happens again."""
        step()
        return lambda: None


@pytest.mark.parametrize(
    "recorder", [RefusingCapture(), StaleCapture()], ids=["refuses", "says another thing"]
)
def test_failed_capture_runs_eagerly(models: Models, recorder: FakeGraphCapture) -> None:
    """One log line; every reply is unchanged."""
    model = models("bigcode")
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 6, stop=(0, 7))
    captured = build_captured_engine(model, capture=recorder)

    replies = run_requests(captured.engine_core, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert captured.graphs.is_disabled
    [line] = captured.log_lines
    assert line.startswith("CUDA graphs are off: ")


class OverwritingCapture(FakeGraphCapture):
    """A capture whose replays leave one number in place of each token id, once it is set."""

    token_ids: torch.Tensor
    overwritten: int | None = None

    def capture_step(self, step: Replay) -> Replay:
        """Run the step, then write the number."""
        replay_step = super().capture_step(step)

        def overwrite_tokens() -> None:
            replay_step()
            if self.overwritten is not None:
                self.token_ids.fill_(self.overwritten)

        return overwrite_tokens


@pytest.mark.parametrize("temperature", [0, 0.7])
def test_captured_steps_sample(models: Models, temperature: float) -> None:
    """Their ids become the reply, the logits notwithstanding; `UNDECIDED` leaves it to the host."""
    capture = OverwritingCapture()
    captured = build_captured_engine(models("bigcode"), capture=capture)
    capture.token_ids = captured.graphs._token_ids
    request = Request("a", (5, 6), SamplingParams(20, temperature))
    expected = run_requests(captured.engine_core, [request])["a"]
    capture.overwritten = 9
    overwritten = run_requests(captured.engine_core, [request])["a"]
    capture.overwritten = UNDECIDED
    undecided = run_requests(captured.engine_core, [request])["a"]

    assert overwritten.ids == [9] * 20
    assert undecided == expected
    assert not captured.log_lines


def test_wrong_tokens_leave_sampling_to_the_host(models: Models) -> None:
    """One log line; graphs stay on, and the reply is right."""
    capture = OverwritingCapture()
    capture.overwritten = 9
    captured = build_captured_engine(models("bigcode"), capture=capture)
    capture.token_ids = captured.graphs._token_ids
    request = Request("a", (5, 6), GREEDY_SAMPLING)

    replies = run_requests(captured.engine_core, [request])

    assert replies["a"].ids == reference_greedy(models("bigcode").network, request)
    assert captured.log_lines == ["captured steps do not sample: their tokens differ"]
    assert not captured.graphs.is_disabled
    assert captured.capture.replayed > 1


def test_wrong_kernel_disables_graphs(models: Models) -> None:
    """The reference attends by SDPA, and then replaces the keys that are wrong."""
    model = models("bigcode")
    request = Request("a", tuple(range(20, 40)), GREEDY_SAMPLING)
    captured = build_captured_engine(model)

    def attend_to_next_slot(*tensors: Any, **options: Any) -> torch.Tensor:
        query, key, value, query_starts, key_starts, *lengths = tensors
        shifted = key_starts + captured.kv_cache.max_positions
        return reference_varlen_attn(query, key, value, query_starts, shifted, *lengths, **options)

    captured.graphs._varlen_attn = attend_to_next_slot
    replies = run_requests(captured.engine_core, [request])

    assert replies["a"].ids == reference_greedy(model.network, request)
    [line] = captured.log_lines
    assert line.startswith("CUDA graphs are off: its logits differ at ")


def test_nan_logits_do_not_disable_graphs(models: Models) -> None:
    """In the first step of a shape, alone or beside a valid request, which is unaffected."""
    model = models("llama")
    table = model.network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[13].clone()
    good = Request("good", tuple(range(20, 40)), GREEDY_SAMPLING)
    expected = reference_greedy(model.network, good)
    captured = build_captured_engine(model, slots=2)
    try:
        table[13] = torch.nan
        alone = run_requests(captured.engine_core, [Request("bad", (13,), GREEDY_SAMPLING)])
        assert not captured.graphs._replays, "there was nothing to compare it with"
        beside = run_requests(captured.engine_core, [good, Request("bad", (13,), GREEDY_SAMPLING)])
    finally:
        table[13] = kept
    later = run_requests(captured.engine_core, [good])

    assert alone["bad"].failure == beside["bad"].failure == "invalid logits"
    assert beside["good"].ids == later["good"].ids == expected
    assert not captured.graphs.is_disabled


class FailingModel(nn.Module):
    """A model that fails in its n-th captured call."""

    def __init__(self, network: nn.Module, calls: int) -> None:
        super().__init__()
        self.network = network
        self.calls = calls

    def forward(self, **given: Any) -> Any:
        """Run the model, or fail."""
        if isinstance(given["packed"], VarlenBatch):
            self.calls -= 1
            if self.calls == 0:
                raise RuntimeError("broken")
        return self.network(**given)


def test_failed_replay_costs_no_reply(models: Models) -> None:
    """The KV cache is reallocated, all requests prefill again, and graphs are captured again."""
    model = models("bigcode")
    requests = [Request(str(n), tuple(range(20 + n, 50 + n)), GREEDY_SAMPLING) for n in range(3)]
    captured = build_captured_engine(model, network=FailingModel(model.network, 9))

    replies = run_requests(captured.engine_core, requests, allow_errors=True)

    for request in requests:
        assert replies[request.id].ids == reference_greedy(model.network, request)
    assert captured.capture.graph_sets == 2
    assert not captured.graphs.is_disabled
