"""Warm-up: the steps before a worker is ready, and their log lines."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from testing.in_process_engine import (
    EngineFactory,
    FakeGraphCapture,
    build_captured_engine,
    make_mixed_requests,
    reference_greedy,
    run_requests,
)
from testing.reference_varlen import reference_varlen_attn
from worker.engine import LoadError, Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.core.engine_core import MIN_STEP_TOKENS
from worker.engine.loading import warmup
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.memory import GRAPH_BYTES_PER_LAYER, estimate_graph_bytes
from worker.engine.loading.warmup import _use_graphs, warm_up
from worker.engine.protocol import EngineConfig

Models = Callable[[str], LoadedModel]


def with_empty_slots(models: Models) -> LoadedModel:
    """Return a loaded model with four empty slots."""
    model = models("bigcode")
    return replace(model, kv_cache=KVCache(model.kv_cache.layers, 4, model.info.max_positions))


def test_all_shapes_are_captured_before_ready(models: Models) -> None:
    """Each capture reports its number; requests then replay the graphs."""
    log_lines: list[tuple[str, float]] = []
    without: list[str] = []
    recorder = FakeGraphCapture()

    engine = warm_up(
        with_empty_slots(models),
        EngineConfig(num_speculative_tokens=4),
        lambda stage, done: log_lines.append((stage, done)),
        without.append,
        recorder.start_set,
    )

    assert [stage for stage, _ in log_lines] == [f"warming up {n} of 4" for n in (1, 2, 3, 4)]
    assert [done for _, done in log_lines] == sorted({done for _, done in log_lines})
    assert 0.9 < log_lines[0][1] < log_lines[-1][1] < 1
    assert (recorder.captured, engine.steps, without) == (3, 0, [])
    requests = make_mixed_requests(448, 256, 6)
    replies = run_requests(engine, requests)
    network = models("bigcode").network
    assert [replies[r.id].ids for r in requests] == [reference_greedy(network, r) for r in requests]
    assert recorder.captured == 3 < recorder.replayed


@pytest.mark.parametrize(
    "options", [EngineConfig(), EngineConfig(cuda_graphs=False), EngineConfig(compile_layers=True)]
)
def test_cpu_warms_up_without_captures(models: Models, options: EngineConfig) -> None:
    """A requested feature that is unavailable is logged in one line."""
    log_lines: list[str] = []
    without: list[str] = []

    engine = warm_up(
        with_empty_slots(models), options, lambda stage, _: log_lines.append(stage), without.append
    )

    assert log_lines == ["warming up 1 of 1"]
    assert engine.model_runner.cuda_graphs is None
    assert len(without) == options.compile_layers
    assert not engine.has_unfinished_requests


def test_slow_cpu_gets_smaller_steps(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that takes half a minute would count as a hang; one line tells the operator."""
    monkeypatch.setattr(warmup, "MAX_STEP_SECONDS", 0.04)
    model, log_lines = with_empty_slots(models), list[str]()
    steps: list[int] = []

    def wait_for_each_token(_layer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        steps.append(inputs[0].numel())
        time.sleep(inputs[0].numel() / 1000)

    network: Any = model.network
    with network.get_input_embeddings().register_forward_pre_hook(wait_for_each_token):
        engine = warm_up(model, EngineConfig(), lambda _stage, _done: None, log_lines.append)
        steps.clear()
        run_requests(engine, [Request("long", (1,) * 200, SamplingParams(1))])

    assert MIN_STEP_TOKENS <= engine.scheduler.max_step_tokens <= 20
    assert max(steps) <= 40
    [line] = log_lines
    assert re.fullmatch(r"steps of \d\d tokens instead of 256: 32 take 0\.\d s here", line)


def test_limited_step_has_a_row_for_each_reply(new_engine: EngineFactory) -> None:
    """Else replies would leave nothing of a step to a prompt beside them."""
    engine = new_engine(slots=20)

    assert [engine.limit_step_tokens(limit) for limit in (500, 30, 1)] == [64, 30, 20]


class RefusedNetwork(nn.Module):
    """A network whose library refuses each call."""

    def forward(self, **_: Any) -> Any:
        """Raise what cuDNN raises."""
        raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED\nmore lines")


def test_failed_first_request_stops_the_load(models: Models) -> None:
    """A worker that can't answer at all says why, and does not become ready."""
    model = replace(with_empty_slots(models), network=RefusedNetwork())

    with pytest.raises(LoadError, match=r"first request: RuntimeError: cuDNN .*SUPPORTED$"):
        warm_up(model, EngineConfig(), lambda _stage, _done: None, pytest.fail)


@pytest.mark.parametrize("fails", [False, True])
def test_kernel_without_graphs_is_not_used(models: Models, *, fails: bool) -> None:
    """If a captured step fails, the kernel may be the reason: SDPA takes its place."""
    captured = build_captured_engine(models("bigcode"), num_speculative_tokens=4)
    engine, captured.graphs.is_disabled = captured.engine_core, fails
    engine.model_runner.varlen_attn = reference_varlen_attn

    _use_graphs(engine, captured.graphs)

    assert engine.model_runner.varlen_attn is (None if fails else reference_varlen_attn)
    assert engine.scheduler.max_drafting_requests == (0 if fails else 32)


def test_kernel_that_fails_in_service_is_left(models: Models) -> None:
    """Later steps are eager and attend by SDPA. Requests no longer draft."""
    captured = build_captured_engine(models("bigcode"), num_speculative_tokens=4)
    engine = captured.engine_core
    runner: Any = engine.model_runner

    def attend_to_next_slot(*tensors: Any, **options: Any) -> torch.Tensor:
        query, key, value, query_starts, key_starts, *lengths = tensors
        shifted = key_starts + captured.kv_cache.max_positions
        return reference_varlen_attn(query, key, value, query_starts, shifted, *lengths, **options)

    captured.graphs._varlen_attn = runner.varlen_attn = attend_to_next_slot
    _use_graphs(engine, captured.graphs)
    assert engine.scheduler.max_drafting_requests == 32
    requests = make_mixed_requests(448, 256, 4)

    replies = run_requests(engine, requests)

    assert (runner.varlen_attn, engine.scheduler.max_drafting_requests) == (None, 0)
    network = models("bigcode").network
    assert [replies[r.id].ids for r in requests] == [reference_greedy(network, r) for r in requests]


def test_graph_memory_is_reserved_beside_the_kv_cache() -> None:
    """StarChat's 35 shapes of 40 layers take more than 1 GB of a GPU and nothing of a CPU."""

    class Config:
        vocab_size = 49156
        hidden_size = 6144

    def taken(device: str, options: EngineConfig) -> int:
        layer = LayerSpec(
            num_kv_heads=1, head_dim=128, dtype=torch.bfloat16, device=torch.device(device)
        )
        return estimate_graph_bytes(options, (layer,) * 40, Config, 8192, num_slots=64)

    assert taken("cpu", EngineConfig()) == taken("meta", EngineConfig(cuda_graphs=False)) == 0
    taken_by_all = taken("meta", EngineConfig(num_speculative_tokens=8))
    assert 35 * 40 * GRAPH_BYTES_PER_LAYER < taken_by_all < 2e9
    assert taken_by_all > 1e9
