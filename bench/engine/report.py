"""Report of the engine benchmark: medians, ratios and Markdown tables."""

import statistics
from collections.abc import Callable, Sequence

from bench.engine import workload
from bench.engine.load_generator import RunResult
from bench.engine.runner import ARRIVAL_GENERATORS, OWN_ENGINE, BenchmarkResults


def render_report(results: BenchmarkResults) -> str:
    """Return one table for each arrival pattern and one for the turns of a thread."""
    parts = [
        f"### {title}\n\n{render_arrival_table(results, arrivals)}"
        for arrivals, title in (
            ("burst", "All at once"),
            ("poisson", f"A Poisson stream of {workload.ARRIVALS_PER_SECOND} requests a second"),
        )
        if results.runs.get(arrivals)
    ]
    if results.threads:
        parts.append(
            f"### A thread of {workload.NUM_TURNS} turns\n\n{render_thread_table(results)}"
        )
    return "\n\n".join(parts)


def render_arrival_table(results: BenchmarkResults, arrivals: str) -> str:
    """
    Return medians over the rounds, and the median of each round's ratio to our engine.

    Seconds are CPU seconds; token gaps are percentiles over all rounds together.
    """
    lines = [
        _format_row(
            "requests",
            "engine",
            "tokens/s",
            "our speedup",
            "first token, mean s",
            "between tokens, p50 / p99 ms",
            "memory, MiB",
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for count, engines in results.runs[arrivals].items():
        for name, rounds in engines.items():
            ratio = compute_speed_ratio(rounds, engines.get(OWN_ENGINE, rounds))
            first = _compute_median(rounds, lambda run: statistics.mean(run.first_token_seconds))
            lines.append(
                _format_row(
                    str(count),
                    name,
                    f"{compute_speed(results, arrivals, count, name):.1f}",
                    "" if name == OWN_ENGINE else f"{ratio:.2f}×",
                    f"{first:.2f}",
                    _format_gaps(rounds),
                    f"{max(run.peak_memory_mib for run in rounds):.0f}",
                )
            )
    return "\n".join(lines)


def render_thread_table(results: BenchmarkResults) -> str:
    """Return a table of each turn's CPU seconds to the first token, medians over the rounds."""
    heading = f"first token of turn 1 … {workload.NUM_TURNS}, s"
    lines = [
        _format_row(
            "engine", heading, f"turn {workload.NUM_TURNS}, ratio to ours", "whole thread, s"
        ),
        "|---|---|---|---|",
    ]
    own_last_turn = _compute_median(
        results.threads.get(OWN_ENGINE, []), lambda run: run.first_token_seconds[-1]
    )
    for name, rounds in results.threads.items():
        firsts = [
            statistics.median(turn)
            for turn in zip(*(run.first_token_seconds for run in rounds), strict=True)
        ]
        ratio_to_ours = (
            "" if name == OWN_ENGINE or not own_last_turn else f"{firsts[-1] / own_last_turn:.1f}×"
        )
        total = _compute_median(rounds, lambda run: run.cpu_seconds)
        lines.append(
            _format_row(
                name, " ".join(f"{first:.2f}" for first in firsts), ratio_to_ours, f"{total:.1f}"
            )
        )
    return "\n".join(lines)


def compute_speed(results: BenchmarkResults, arrivals: str, count: int, name: str) -> float:
    """Return an engine's median throughput in tokens per CPU second."""
    rounds = results.runs[arrivals][count][name]
    num_tokens = [
        workload.count_reply_tokens(ARRIVAL_GENERATORS[arrivals](count, 1000 * count + n))
        for n in range(len(rounds))
    ]
    return statistics.median(t / p.cpu_seconds for t, p in zip(num_tokens, rounds, strict=True))


def compute_speed_ratio(theirs: Sequence[RunResult], ours: Sequence[RunResult]) -> float:
    """Return the median over the rounds of another engine's CPU seconds divided by ours."""
    return statistics.median(
        t.cpu_seconds / o.cpu_seconds for t, o in zip(theirs, ours, strict=True)
    )


def _compute_median(rounds: Sequence[RunResult], metric: Callable[[RunResult], float]) -> float:
    return statistics.median(map(metric, rounds)) if rounds else 0.0


def _format_gaps(rounds: Sequence[RunResult]) -> str:
    gaps = [1000 * gap for run in rounds for gap in run.token_gap_seconds]
    if len(gaps) < 2:
        return "whole replies"
    percentiles = statistics.quantiles(gaps, n=100)
    return f"{percentiles[49]:.0f} / {percentiles[98]:.0f}"


def _format_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
