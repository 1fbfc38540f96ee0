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
"""A layer is compiled in so many, before, beside and behind its attention."""


def test_compiled_layers_say_the_same(models: Models) -> None:
    """One layer is compiled for all of them, for each shape once; outside nothing has changed."""
    model = models("llama")
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 2)
    ours = build_captured_engine(model, slots=1)
    compiled: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        compiled.append(len(graph.graph.nodes))
        return graph

    ours.graphs.compiled_layers = CompiledLayers(model.network, backend)
    first = next(layer for layer in model.network.modules() if "Layer" in type(layer).__name__)
    first.forward = own = first.forward

    replies = run_requests(ours.engine_core, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert not ours.log_lines
    assert len(compiled) == GRAPHS_PER_LAYER * len(ours.graphs._replays)
    assert vars(first).pop("forward") == own, "what a library has put there is there again"
    assert all("forward" not in vars(layer) for layer in model.network.modules())


def test_without_a_compiler_steps_are_recorded_as_they_are(models: Models) -> None:
    """One line; nothing else is given up for it."""
    model = models("bigcode")
    requests = make_mixed_requests(model.info.vocab_size, model.info.max_positions, 6)
    ours = build_captured_engine(model, slots=4)

    def missing(_: torch.fx.GraphModule, __: Any) -> Any:
        raise RuntimeError("no compiler is there")

    ours.graphs.compiled_layers = CompiledLayers(model.network, missing)

    replies = run_requests(ours.engine_core, requests)

    assert [replies[r.id].ids for r in requests] == [
        reference_greedy(model.network, r) for r in requests
    ]
    assert [line.split(":")[0] for line in ours.log_lines] == ["layers are not compiled"]
    assert ours.capture.replayed
    assert not ours.graphs.is_disabled


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_layers_that_are_really_compiled_say_the_same() -> None:
    """Torch's own compiler, on the plain layers that a GPU has."""
    network: Any = AutoModelForCausalLM.from_pretrained(tiny_bigcode())
    layers = verify_model(network)
    memory = KVCache(layers, 3, TINY_POSITIONS)
    told: list[str] = []
    graphs = CudaGraphRunner(
        network,
        memory,
        GraphShapes(3, TINY_POSITIONS),
        lambda: FakeGraphCapture().capture_step,
        told.append,
    )
    graphs.compiled_layers = CompiledLayers(network)
    engine = EngineCore(network, memory, vocab_size=448, max_step_tokens=64)
    engine.use_cuda_graphs(graphs)
    requests = make_mixed_requests(448, TINY_POSITIONS, 6)

    replies = run_requests(engine, requests)

    assert [replies[r.id].ids for r in requests] == [reference_greedy(network, r) for r in requests]
    assert not told
