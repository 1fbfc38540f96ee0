"""
Operation budgets: kernels per layer, by the benchmark `step-budgets`.

A change that needs more fails here. One that needs fewer lowers a number, also in
bench/RESULTS.md.
"""

import pytest

from bench import sampling_time
from bench.step_budgets import (
    CAPTURED_BUDGETS,
    EAGER_BUDGETS,
    count_kernels,
    format_rows,
    list_kernel_rows,
    measure_host_rows,
)
from worker.engine.attention.step_shape import StepShape


@pytest.mark.parametrize("name", EAGER_BUDGETS)
def test_eager_step_keeps_its_budget(name: str) -> None:
    """By `varlen_attn` a layer needs as many kernels for any step. By SDPA each chunk adds some."""
    assert count_kernels()[name] == list(EAGER_BUDGETS[name][1:])


@pytest.mark.parametrize("shape", CAPTURED_BUDGETS, ids=str)
def test_captured_step_keeps_its_budget(shape: StepShape) -> None:
    """Of all slots at once."""
    assert count_kernels()[shape] == [CAPTURED_BUDGETS[shape]]


def test_benchmark_has_a_row_for_each_budget() -> None:
    """All kinds of steps, and the host's time for each number of requests."""
    table = format_rows([*list_kernel_rows(), *measure_host_rows(1, 1)]).splitlines()[2:]

    kernel_rows = [line for line in table if "kernels per layer" in line]
    assert len(kernel_rows) == 2 * len(EAGER_BUDGETS) + len(CAPTURED_BUDGETS)
    assert all(line.endswith("| kept |") for line in kernel_rows)
    assert "| captured, 64 tokens over 4096 positions: kernels per layer | 13 | ≤ 13 |" in str(
        table
    )
    times = [line for line in table if "CPU time of the host" in line]
    assert len(times) == len(sampling_time.ROW_COUNTS)
    assert "| ≤ 0.94 ms |" in times[-1]


def test_row_over_its_limit_is_named() -> None:
    """A limit itself is kept."""
    rows = [("a", 12, 12, ""), ("b", 13, 12, ""), ("c", 0.941, 0.94, " ms")]

    assert format_rows(rows).splitlines()[2:] == [
        "| a | 12 | ≤ 12 | kept |",
        "| b | 13 | ≤ 12 | **over the limit** |",
        "| c | 0.94 ms | ≤ 0.94 ms | **over the limit** |",
    ]
