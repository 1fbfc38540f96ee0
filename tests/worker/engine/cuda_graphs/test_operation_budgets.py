"""
Operation budgets: kernels per layer, and copies of the host's numbers per step.

Launching a kernel takes the host time in an eager step, and the GPU in a captured one. A change
that needs more fails here. One that needs fewer lowers a number, also in bench/RESULTS.md.
SDPA and `varlen_attn` count as one kernel each.
"""

from functools import cache, partial
from typing import NamedTuple

import pytest
import torch

from tests.worker.engine.fake_cuda import FakeCuda, OperationLog
from tests.worker.engine.fake_starchat import load_fake_starchat, make_chunk, make_decode
from worker.engine.attention.flash_varlen import load_flash_varlen
from worker.engine.core.model_runner import ModelRunner
from worker.engine.cuda_graphs.shapes import GraphShape
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.warmup import build_cuda_graphs
from worker.engine.protocol import EngineConfig

DECODES = [make_decode(slot, 100 + slot) for slot in range(8)]
FIRST_CHUNKS = [make_chunk(10 + number, 0, 30) for number in range(8)]
LATER_CHUNKS = [make_chunk(10 + number, 50, 30) for number in range(8)]
DRAFTS = [make_decode(slot, 99, num_drafts=8) for slot in range(4)]
EAGER_BUDGETS = {
    "8 decodes": (DECODES, 12, 5),
    "1 first chunk": (FIRST_CHUNKS[:1], 12, 3),
    "8 first chunks": (FIRST_CHUNKS, 34, 3),
    "1 later chunk": (LATER_CHUNKS[:1], 12, 4),
    "8 later chunks": (LATER_CHUNKS, 34, 11),
    "8 decodes, 1 later chunk": (DECODES + LATER_CHUNKS[:1], 16, 6),
    "8 decodes, 8 later chunks": (DECODES + LATER_CHUNKS, 37, 13),
    "4 decodes with drafts": (DRAFTS, 22, 7),
}
"""Per eager step: kernels per layer, and tensors made of the host's numbers in all layers."""
CAPTURED_BUDGETS = {
    GraphShape(64, 1, 1024, all_slots=True): (12, 18),
    GraphShape(8, 1, 1024, all_slots=False): (13, 19),
    GraphShape(8, 9, 1024, all_slots=False): (15, 21),
}
"""Per shape: kernels per layer with fused and with unfused attention."""


class Cost(NamedTuple):
    """Kernels per layer, and tensors made of the host's numbers."""

    kernels_per_layer: int
    host_tensors: int


@cache
def _compute_costs() -> dict[str | GraphShape, list[Cost]]:
    """Compare each step of a model with one layer and of a model with two; a cost per variant."""
    with FakeCuda() as fake_cuda, torch.no_grad():
        one, two = (_run_steps(fake_cuda, load_fake_starchat(number)) for number in (1, 2))
    return {
        name: [
            Cost(len(b.kernels) - len(a.kernels), b.host_accesses.count("tensor"))
            for a, b in zip(one[name], two[name], strict=True)
        ]
        for name in one
    }


def _run_steps(
    fake_cuda: FakeCuda, model: LoadedModel
) -> dict[str | GraphShape, list[OperationLog]]:
    runner = ModelRunner(model.network, model.kv_cache)
    runner.flash_varlen = load_flash_varlen(lambda _: None)
    runner.run_eager(LATER_CHUNKS[:1])  # compares the kernel with SDPA once
    logs: dict[str | GraphShape, list[OperationLog]] = {
        name: [fake_cuda.run_logged(partial(runner.run_eager, step))]
        for name, (step, *_) in EAGER_BUDGETS.items()
    }
    graphs = build_cuda_graphs(
        model, EngineConfig(num_speculative_tokens=8), fake_cuda.begin_capture, pytest.fail
    )
    for shape, capture in zip(graphs.shapes.list_shapes(), graphs.plan_captures(), strict=True):
        if shape in CAPTURED_BUDGETS:
            fake_cuda.captures.clear()
            capture()
            logs[shape] = list(fake_cuda.captures)
    return logs


@pytest.mark.parametrize("name", EAGER_BUDGETS)
def test_eager_step_keeps_its_budget(name: str) -> None:
    """Kernels still grow with the number of chunks: three for each, and one copy of lengths."""
    assert _compute_costs()[name] == [EAGER_BUDGETS[name][1:]]


@pytest.mark.parametrize("shape", CAPTURED_BUDGETS, ids=str)
def test_captured_step_keeps_its_budget(shape: GraphShape) -> None:
    """All slots, slots that are gathered, and drafts."""
    assert _compute_costs()[shape] == [(kernels, 0) for kernels in CAPTURED_BUDGETS[shape]]
