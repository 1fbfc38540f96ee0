"""
Budgets of a step on a GPU, counted and measured without one: kernels, and time of the host.

Kernels are counted on a fake GPU, with StarChat's width in bfloat16. Launching one takes the host
time in an eager step, and the GPU in a captured one. SDPA and `varlen_attn` count as one kernel
each. A change that needs more fails in `tests/worker/engine/cuda_graphs/test_operation_budgets.py`.
"""

from collections.abc import Iterable
from functools import cache, partial
from typing import Final

import torch

from bench import sampling_time
from testing.fake_cuda import FakeCuda, OperationLog
from testing.fake_starchat import load_fake_starchat, make_chunk, make_decode
from worker.engine.attention.step_shape import StepShape
from worker.engine.attention.varlen_batch import load_varlen_attn
from worker.engine.core.model_runner import ModelRunner
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.warmup import build_cuda_graphs
from worker.engine.protocol import EngineConfig

DECODES: Final = [make_decode(slot, 100 + slot) for slot in range(8)]
FIRST_CHUNKS: Final = [make_chunk(10 + number, 0, 30) for number in range(8)]
LATER_CHUNKS: Final = [make_chunk(10 + number, 50, 30) for number in range(8)]
DRAFTS: Final = [make_decode(slot, 99, num_drafts=8) for slot in range(4)]
EAGER_BUDGETS: Final = {
    "8 decodes": (DECODES, 12, 12),
    "1 first chunk": (FIRST_CHUNKS[:1], 12, 12),
    "8 first chunks": (FIRST_CHUNKS, 12, 34),
    "1 later chunk": (LATER_CHUNKS[:1], 12, 12),
    "8 later chunks": (LATER_CHUNKS, 12, 34),
    "8 decodes, 1 later chunk": (DECODES + LATER_CHUNKS[:1], 12, 16),
    "8 decodes, 8 later chunks": (DECODES + LATER_CHUNKS, 12, 37),
    "4 decodes with drafts": (DRAFTS, 12, 22),
}
"""Steps, and kernels per layer of an eager step, by `varlen_attn` and by SDPA."""
CAPTURED_BUDGETS: Final = {
    StepShape(64, 64, 64, 1, 2048): 12,
    StepShape(512, 65, 224, 512, 8192): 12,
    StepShape(64, 64, 64, 1, 4096): 13,
}
"""Kernels per layer of a captured step: decodes and mixed by `varlen_attn`, gathered decodes."""
HOST_CASE: Final = "defaults, in the captured step"
"""The case of `python -m bench sampling-time` that has a budget: what a GPU waits for."""

Row = tuple[str, float, float, str]
"""What is counted or measured, the result, its limit, and the unit of both."""


def main(runs: int = 3, steps: int = 40) -> str:
    """Count and measure, and return the table."""
    sampling_time.use_one_core()
    return format_rows([*list_kernel_rows(), *measure_host_rows(runs, steps)])


@cache
def count_kernels() -> dict[str | StepShape, list[int]]:
    """
    Return the kernels of a layer: a model with two layers has so many more than with one.

    An eager step has two counts, by `varlen_attn` and by SDPA. A captured one has the first
    attention that captures its shape.
    """
    with FakeCuda() as fake_cuda, torch.no_grad():
        one, two = (_run_steps(fake_cuda, load_fake_starchat(number)) for number in (1, 2))
    return {
        name: [len(b.kernels) - len(a.kernels) for a, b in zip(one[name], two[name], strict=True)]
        for name in one
    }


def list_kernel_rows() -> list[Row]:
    """Return one row for each kind of step."""
    counts = count_kernels()
    rows: list[Row] = []
    for name, (_, *limits) in EAGER_BUDGETS.items():
        for way, count, limit in zip(("varlen_attn", "SDPA"), counts[name], limits, strict=True):
            rows.append((f"eager, {name}, {way}: kernels per layer", count, limit, ""))
    for shape, limit in CAPTURED_BUDGETS.items():
        [count] = counts[shape]
        name = f"captured, {shape.num_tokens} tokens over {shape.kv_length} positions"
        rows.append((f"{name}: kernels per layer", count, limit, ""))
    return rows


def measure_host_rows(runs: int, steps: int) -> list[Row]:
    """Return one row for each number of requests: the host's CPU time of a captured step."""
    case = sampling_time.CASES[HOST_CASE]
    return [
        (
            f"captured, requests at default sampling: {count}, CPU time of the host",
            sampling_time.measure_step(case, count, runs, steps).step / 1000,
            sampling_time.compute_aim(count),
            " ms",
        )
        for count in sampling_time.ROW_COUNTS
    ]


def format_rows(rows: Iterable[Row]) -> str:
    """Return a Markdown table that names each row over its limit."""
    lines = ["| step | found | limit | |", "|---|---|---|---|"]
    for name, found, limit, unit in rows:
        numbers = [f"{number:.2f}{unit}" if unit else str(number) for number in (found, limit)]
        verdict = "kept" if found <= limit else "**over the limit**"
        lines.append(f"| {name} | {numbers[0]} | ≤ {numbers[1]} | {verdict} |")
    return "\n".join(lines)


def _run_steps(
    fake_cuda: FakeCuda, model: LoadedModel
) -> dict[str | StepShape, list[OperationLog]]:
    logs: dict[str | StepShape, list[OperationLog]] = {name: [] for name in EAGER_BUDGETS}
    for varlen_attn in (load_varlen_attn(), None):
        runner = ModelRunner(model.network, model.kv_cache)
        runner.varlen_attn = varlen_attn
        for name, (step, *_) in EAGER_BUDGETS.items():
            logs[name].append(fake_cuda.record_run(partial(runner.run_eager, step)))
        graphs = build_cuda_graphs(
            model, EngineConfig(), fake_cuda.begin_capture, _refuse_line, varlen_attn
        )
        plans = zip(graphs.shapes.list_shapes(), graphs.plan_captures(), strict=True)
        for shape, capture in plans:
            if shape in CAPTURED_BUDGETS and shape not in logs:
                fake_cuda.captures.clear()
                capture()
                logs[shape] = list(fake_cuda.captures)
    return logs


def _refuse_line(line: str) -> None:
    raise RuntimeError(line)
