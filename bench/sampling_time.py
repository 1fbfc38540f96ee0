"""
Sampling time benchmark: host time of a decode step whose logits cost nothing.

A captured step with constant logits takes the model's place, so that a step is what the host does
between two steps of a GPU: scheduling, sampling, committing. The times are process CPU time.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from worker.engine import Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.core.engine_core import EngineCore
from worker.engine.core.model_runner import StepLogits
from worker.engine.core.request_state import ScheduledRequest
from worker.engine.core.sampler import NUM_CANDIDATES
from worker.engine.cuda_graphs.graph_sampler import stage_params

ROW_COUNTS: Final = (1, 8, 32, 64)
"""Requests that decode at once, one row of logits each."""
SMALL_VOCABULARY: Final = 512
"""Tokens, so few that the search for the largest logits, a GPU's work, is cheap."""
STARCHAT_VOCABULARY: Final = 49_156
"""Tokens of StarChat-β."""
WARMUP_STEPS: Final = 3
BASE_MICROSECONDS: Final = 300
MICROSECONDS_PER_ROW: Final = 10


@dataclass(frozen=True, slots=True)
class SamplingCase:
    """
    Settings that all requests of a step share, and the number of logits in a row.

    With `is_captured` the step has sampled the ids, as a captured step on a GPU does.
    """

    sampling: SamplingParams
    vocab_size: int
    is_captured: bool = False


CASES: Final = {
    "temperature 0": SamplingCase(SamplingParams(temperature=0), SMALL_VOCABULARY),
    "defaults": SamplingCase(SamplingParams(), SMALL_VOCABULARY),
    "defaults, in the captured step": SamplingCase(
        SamplingParams(), SMALL_VOCABULARY, is_captured=True
    ),
    "top_k 0": SamplingCase(SamplingParams(top_k=0), STARCHAT_VOCABULARY),
    "top_k 0, top_p 1, temperature 1": SamplingCase(
        SamplingParams(temperature=1, top_k=0, top_p=1), STARCHAT_VOCABULARY
    ),
}


class ConstantLogits:
    """
    A captured step that returns the same logits `[rows, vocab]` each time.

    With `samples` it also returns ids, after the host's share of sampling in a captured step.
    """

    max_drafting_requests = 0

    def __init__(self, logits: Tensor, *, samples: bool) -> None:
        self._logits, self._samples = logits, samples
        self._token_ids = logits.argmax(1)
        self._params = torch.ones(len(logits), 4, dtype=torch.float64)

    def __call__(self, step: Sequence[ScheduledRequest]) -> StepLogits:
        """Return one row of logits for each request."""
        count = sum(scheduled.num_logits for scheduled in step)
        if not self._samples:
            return StepLogits(self._logits[:count])
        params = stage_params(step, self._logits.shape[1], self._logits.device)
        self._params[:count].copy_(params)
        return StepLogits(self._logits[:count], self._token_ids[:count])


@dataclass(frozen=True, slots=True)
class StepTime:
    """Medians of a step's CPU time and of the search for its largest logits, in microseconds."""

    step: float
    top_logits: float


def main(runs: int, steps: int) -> str:
    """Measure, and return the table."""
    use_one_core()
    return format_times(
        {
            (name, rows): measure_step(case, rows, runs, steps)
            for name, case in CASES.items()
            for rows in ROW_COUNTS
        }
    )


def use_one_core() -> None:
    """Keep this process on one core: threads that wait for others count as CPU time."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)


def compute_aim(rows: int) -> float:
    """Return the aim for the CPU time of a step with so many rows, in milliseconds."""
    return (BASE_MICROSECONDS + MICROSECONDS_PER_ROW * rows) / 1000


def measure_step(case: SamplingCase, rows: int, runs: int, steps: int) -> StepTime:
    """Time `runs` runs of `steps` steps each."""
    logits = torch.randn(rows, case.vocab_size, generator=torch.Generator().manual_seed(0)) * 3
    top_logits: Callable[[], object] = (
        (lambda: logits.topk(NUM_CANDIDATES))
        if case.sampling.temperature and not case.is_captured
        else (lambda: None)
    )
    results = []
    for _ in range(runs):
        engine = _start_requests(case, rows, logits, WARMUP_STEPS + steps + 1)
        results.append(
            StepTime(_time_calls(partial(_run_step, engine), steps), _time_calls(top_logits, steps))
        )
    return StepTime(
        statistics.median(result.step for result in results),
        statistics.median(result.top_logits for result in results),
    )


def format_times(times: dict[tuple[str, int], StepTime]) -> str:
    """Return a Markdown table, with the aim for each number of rows."""
    lines = [
        "| sampling | rows | CPU time of a step | of it topk | rest | aim |",
        "|---|---|---|---|---|---|",
    ]
    for (name, rows), timed in times.items():
        lines.append(
            f"| {name} | {rows} | {timed.step / 1000:.2f} ms | {timed.top_logits / 1000:.2f} ms"
            f" | {(timed.step - timed.top_logits) / 1000:.2f} ms"
            f" | {f'≤ {compute_aim(rows):.2f} ms' if name.startswith('defaults') else ''} |"
        )
    return "\n".join(lines)


def _start_requests(
    case: SamplingCase, rows: int, logits: Tensor, max_new_tokens: int
) -> EngineCore:
    """Return an engine whose requests have begun to decode."""
    layer = LayerSpec(1, 1, torch.float32, torch.device("cpu"))
    prompt = tuple(range(8))
    engine = EngineCore(
        nn.Module(),
        KVCache((layer,), rows, len(prompt) + max_new_tokens),
        vocab_size=case.vocab_size,
        max_step_tokens=rows * len(prompt),
    )
    engine.use_cuda_graphs(ConstantLogits(logits, samples=case.is_captured))
    for number in range(rows):
        sampling = SamplingParams(
            max_new_tokens,
            case.sampling.temperature,
            case.sampling.top_k,
            case.sampling.top_p,
            seed=number,
        )
        error = engine.add_request(Request(str(number), prompt, sampling))
        if error is not None:
            raise RuntimeError(error)
    for _ in range(WARMUP_STEPS):
        _run_step(engine)
    return engine


def _run_step(engine: EngineCore) -> None:
    output = engine.run_step()
    if output.error is not None:
        raise RuntimeError(output.error)


def _time_calls(call: Callable[[], object], count: int) -> float:
    """Return the median CPU time of a call, in microseconds."""
    times = []
    for _ in range(count):
        started_at = time.process_time_ns()
        call()
        times.append(time.process_time_ns() - started_at)
    return statistics.median(times) / 1000
