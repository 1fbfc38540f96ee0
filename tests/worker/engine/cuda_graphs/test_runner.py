"""When steps are recorded, when that is given up, and that neither costs anybody a reply."""

import time
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
from worker.engine import FinishReason, Request, SamplingParams
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

NUM_SPECULATIVE_TOKENS = 4
"""Tokens drafted for a request in a step."""


def test_each_shape_is_recorded_once_and_then_repeated(models: Models) -> None:
    """One request from position 1 to 255 is one lane of one length."""
    ours = build_captured_engine(models("bigcode"))

    run_requests(ours.engine_core, [Request("a", (5,), SamplingParams(250, temperature=0))])

    assert (ours.capture.captured, ours.capture.replayed) == (1, 250)


def test_all_shapes_are_recorded_before_the_first_request(models: Models) -> None:
    """Then none is while requests run, and they say what they say otherwise."""
    ours = build_captured_engine(models("bigcode"), slots=7, drafted=NUM_SPECULATIVE_TOKENS)
    with torch.inference_mode():
        for record in ours.graphs.plan_captures():
            record()
    count = ours.capture.captured
    request = Request("a", tuple(range(9)), SamplingParams(200, temperature=0))

    replies = run_requests(ours.engine_core, [request, replace(request, id="b")])

    assert count == len(ours.graphs.shapes.list_shapes()) == len(ours.graphs._replays) == 6
    assert ours.capture.captured == count
    assert replies["b"].ids == reference_greedy(models("bigcode").network, request)


def test_a_rebuilt_slot_is_never_reached_by_an_old_recording(models: Models) -> None:
    """A failed step reallocates memory, so that all graphs are captured again."""
    model = models("bigcode")
    request = Request("a", tuple(range(20, 40)), GREEDY_SAMPLING)
    expected = EngineReply(reference_greedy(model.network, request), FinishReason.LENGTH)
    ours = build_captured_engine(model, capture=TracedGraphCapture())
    assert run_requests(ours.engine_core, [request])["a"] == expected
    assert ours.capture.graph_sets == 1

    ours.kv_cache.reallocate()

    assert run_requests(ours.engine_core, [request])["a"] == expected
    assert (ours.capture.graph_sets, ours.capture.captured) == (2, 2)


class RefusingCapture(FakeGraphCapture):
    """A recorder whose driver refuses."""

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
def test_what_cannot_be_recorded_runs_eagerly(models: Models, recorder: FakeGraphCapture) -> None:
    """One line says so; every reply is what it would have been."""
    model = models("bigcode")
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 6, stop=(0, 7))
    ours = build_captured_engine(model, capture=recorder)

    replies = run_requests(ours.engine_core, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert ours.graphs.is_disabled
    [line] = ours.log_lines
    assert line.startswith("CUDA graphs are off: ")


class UnevenCapture(FakeGraphCapture):
    """A recorder one of whose recordings is slow, or cannot be made."""

    def __init__(self, bad: int, *, slow: bool) -> None:
        super().__init__()
        self.bad, self.slow = bad, slow
        self.waited = 0

    def capture_step(self, step: Replay) -> Replay:
        """Record a step; the n-th one is the bad one."""
        repeat = super().capture_step(step)
        if self.captured - 1 != self.bad:
            return repeat
        if not self.slow:
            raise RuntimeError("operation not permitted when stream is capturing")

        def slowly() -> None:
            self.waited += 1
            time.sleep(0.02)
            repeat()

        return slowly


@pytest.mark.parametrize("bad", [0, 1])
@pytest.mark.parametrize("slow", [True, False])
def test_of_two_ways_to_attend_the_faster_one_is_kept(
    models: Models, bad: int, *, slow: bool
) -> None:
    """Whichever it is; and where only one can be recorded, that one."""
    model = models("long")
    recorder = UnevenCapture(bad, slow=slow)
    ours = build_captured_engine(model, slots=1, budget=1100, capture=recorder)
    request = Request("a", tuple(n % 400 for n in range(1050)), SamplingParams(2, temperature=0))
    first = run_requests(ours.engine_core, [request])
    waited = recorder.waited

    assert run_requests(ours.engine_core, [request]) == first
    assert first["a"].ids == reference_greedy(model.network, request)
    assert (recorder.captured, recorder.waited) == (2, waited)
    assert bool(waited) == slow
    assert not ours.log_lines


def test_a_request_that_gives_nan_turns_nothing_off(models: Models) -> None:
    """Alone in the first step of a shape, or beside a sound one; its neighbour is untouched."""
    model = models("llama")
    table = model.network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[13].clone()
    good = Request("good", tuple(range(20, 40)), GREEDY_SAMPLING)
    expected = reference_greedy(model.network, good)
    ours = build_captured_engine(model, slots=2)
    try:
        table[13] = torch.nan
        alone = run_requests(ours.engine_core, [Request("bad", (13,), GREEDY_SAMPLING)])
        assert not ours.graphs._replays, "there was nothing to compare it with"
        beside = run_requests(ours.engine_core, [good, Request("bad", (13,), GREEDY_SAMPLING)])
    finally:
        table[13] = kept
    later = run_requests(ours.engine_core, [good])

    assert alone["bad"].failure == beside["bad"].failure == "invalid logits"
    assert beside["good"].ids == later["good"].ids == expected
    assert not ours.graphs.is_disabled


class FailingModel(nn.Module):
    """A model that fails in its n-th call over fixed memory."""

    def __init__(self, network: nn.Module, calls: int) -> None:
        super().__init__()
        self.network = network
        self.calls = calls

    def forward(self, **given: Any) -> Any:
        """Run the model, or fail."""
        if hasattr(given["packed"], "shape"):
            self.calls -= 1
            if self.calls == 0:
                raise RuntimeError("broken")
        return self.network(**given)


def test_a_recorded_step_that_fails_costs_nobody_a_reply(models: Models) -> None:
    """The slots are rebuilt, all requests prefill again, and all graphs are captured again."""
    model = models("bigcode")
    requests = [Request(str(n), tuple(range(20 + n, 50 + n)), GREEDY_SAMPLING) for n in range(3)]
    ours = build_captured_engine(model, network=FailingModel(model.network, 9))

    replies = run_requests(ours.engine_core, requests, allow_errors=True)

    for request in requests:
        assert replies[request.id].ids == reference_greedy(model.network, request)
    assert ours.capture.graph_sets == 2
    assert not ours.graphs.is_disabled
