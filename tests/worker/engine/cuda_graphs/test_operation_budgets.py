"""
Operation budgets: kernels per layer, and copies of the host's numbers per step.

Launching a kernel takes the host time in an eager step, and the GPU in a captured one. A change
that needs more fails here. One that needs fewer lowers a number, also in bench/RESULTS.md.
SDPA and `varlen_attn` count as one kernel each.
"""

from functools import cache, partial

import pytest
import torch

from tests.worker.engine.fake_cuda import FakeCuda, OperationLog
from tests.worker.engine.fake_starchat import load_fake_starchat, make_chunk, make_decode
from worker.engine.attention.step_shape import StepShape
from worker.engine.attention.varlen_batch import load_varlen_attn
from worker.engine.core.model_runner import ModelRunner
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.warmup import build_cuda_graphs
from worker.engine.protocol import EngineConfig

DECODES = [make_decode(slot, 100 + slot) for slot in range(8)]
FIRST_CHUNKS = [make_chunk(10 + number, 0, 30) for number in range(8)]
LATER_CHUNKS = [make_chunk(10 + number, 50, 30) for number in range(8)]
DRAFTS = [make_decode(slot, 99, num_drafts=8) for slot in range(4)]
EAGER_BUDGETS = {
    "8 decodes": (DECODES, 12, 12),
    "1 first chunk": (FIRST_CHUNKS[:1], 12, 12),
    "8 first chunks": (FIRST_CHUNKS, 12, 34),
    "1 later chunk": (LATER_CHUNKS[:1], 12, 12),
    "8 later chunks": (LATER_CHUNKS, 12, 34),
    "8 decodes, 1 later chunk": (DECODES + LATER_CHUNKS[:1], 12, 16),
    "8 decodes, 8 later chunks": (DECODES + LATER_CHUNKS, 12, 37),
    "4 decodes with drafts": (DRAFTS, 12, 22),
}
"""Kernels per layer of an eager step, by `varlen_attn` and by SDPA."""
CAPTURED_BUDGETS = {
    StepShape(64, 64, 64, 1, 2048): 12,
    StepShape(512, 65, 224, 512, 8192): 12,
    StepShape(64, 64, 64, 1, 4096): 13,
}
"""Kernels per layer of a captured step: decodes and mixed by `varlen_attn`, gathered decodes."""


@cache
def _count_kernels() -> dict[str | StepShape, list[int]]:
    """Return the kernels of a layer: a model with two layers has so many more than with one."""
    with FakeCuda() as fake_cuda, torch.no_grad():
        one, two = (_run_steps(fake_cuda, load_fake_starchat(number)) for number in (1, 2))
    return {
        name: [len(b.kernels) - len(a.kernels) for a, b in zip(one[name], two[name], strict=True)]
        for name in one
    }


def _run_steps(
    fake_cuda: FakeCuda, model: LoadedModel
) -> dict[str | StepShape, list[OperationLog]]:
    logs: dict[str | StepShape, list[OperationLog]] = {name: [] for name in EAGER_BUDGETS}
    for varlen_attn in (load_varlen_attn(), None):
        runner = ModelRunner(model.network, model.kv_cache)
        runner.varlen_attn = varlen_attn
        for name, (step, *_) in EAGER_BUDGETS.items():
            logs[name].append(fake_cuda.run_logged(partial(runner.run_eager, step)))
        graphs = build_cuda_graphs(
            model, EngineConfig(), fake_cuda.begin_capture, pytest.fail, varlen_attn
        )
        plans = zip(graphs.shapes.list_shapes(), graphs.plan_captures(), strict=True)
        for shape, capture in plans:
            if shape in CAPTURED_BUDGETS and shape not in logs:
                fake_cuda.captures.clear()
                capture()
                logs[shape] = list(fake_cuda.captures)
    return logs


@pytest.mark.parametrize("name", EAGER_BUDGETS)
def test_eager_step_keeps_its_budget(name: str) -> None:
    """By `varlen_attn` a layer needs as many kernels for any step. By SDPA each chunk adds some."""
    assert _count_kernels()[name] == list(EAGER_BUDGETS[name][1:])


@pytest.mark.parametrize("shape", CAPTURED_BUDGETS, ids=str)
def test_captured_step_keeps_its_budget(shape: StepShape) -> None:
    """Of all slots at once."""
    assert _count_kernels()[shape] == [CAPTURED_BUDGETS[shape]]
