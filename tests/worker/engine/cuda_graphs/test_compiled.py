"""Compiled layers: output equal to plain layers, and a fallback without a compiler."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from testing.checkpoints import TINY_POSITIONS, tiny_bigcode
from testing.in_process_engine import (
    FakeGraphCapture,
    build_captured_engine,
    make_mixed_requests,
    reference_greedy,
    run_requests,
)
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.verify import verify_model
from worker.engine.core.engine_core import EngineCore
from worker.engine.cuda_graphs.capture import CompiledLayers
from worker.engine.cuda_graphs.runner import CudaGraphRunner
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.loading.loader import LoadedModel

Models = Callable[[str], LoadedModel]

GRAPHS_PER_LAYER = 4
"""Compiled graphs of a layer: attention splits it into parts."""


def list_own_forwards(network: Any) -> list[Any]:
    """Return the `forward` that was set on each module itself, if one was."""
    return [vars(module).get("forward") for module in network.modules()]


def test_compiled_layers_equal_plain_layers(models: Models) -> None:
    """Each shape is compiled once for all layers; outside the context the network is unchanged."""
    model = models("llama")
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 2)
    captured = build_captured_engine(model, slots=1)
    compiled: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        compiled.append(len(graph.graph.nodes))
        return graph

    captured.graphs.compiled_layers = CompiledLayers(model.network, backend)
    first = next(layer for layer in model.network.modules() if "Layer" in type(layer).__name__)
    first.forward = first.forward
    own_forwards = list_own_forwards(model.network)

    replies = run_requests(captured.engine_core, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert not captured.log_lines
    assert len(compiled) == GRAPHS_PER_LAYER * len(captured.graphs._replays)
    assert list_own_forwards(model.network) == own_forwards, "what was set on a layer is back"
    del first.forward


def test_missing_compiler_keeps_graphs_of_plain_layers(models: Models) -> None:
    """One log line; CUDA graphs stay on."""
    model = models("bigcode")
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 6)
    captured = build_captured_engine(model, slots=4)

    def missing(_: torch.fx.GraphModule, __: Any) -> Any:
        raise RuntimeError("no compiler is there")

    captured.graphs.compiled_layers = CompiledLayers(model.network, missing)

    replies = run_requests(captured.engine_core, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert [line.split(":")[0] for line in captured.log_lines] == ["layers are not compiled"]
    assert captured.capture.replayed
    assert not captured.graphs.is_disabled


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_inductor_layers_equal_plain_layers() -> None:
    """With torch's own compiler."""
    network: Any = AutoModelForCausalLM.from_pretrained(tiny_bigcode())
    layers = verify_model(network)
    memory = KVCache(layers, 3, TINY_POSITIONS)
    log_lines: list[str] = []
    graphs = CudaGraphRunner(
        network,
        memory,
        GraphShapes(3, TINY_POSITIONS, 64, is_packed=False),
        lambda: FakeGraphCapture().capture_step,
        log_lines.append,
    )
    graphs.compiled_layers = CompiledLayers(network)
    engine = EngineCore(network, memory, vocab_size=448, max_step_tokens=64)
    engine.use_cuda_graphs(graphs)
    requests = make_mixed_requests(448, TINY_POSITIONS, 6)

    replies = run_requests(engine, requests)

    assert [replies[r.id].ids for r in requests] == [reference_greedy(network, r) for r in requests]
    assert not log_lines
