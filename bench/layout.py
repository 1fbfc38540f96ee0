"""Layout benchmark: time to lay out the longest replies, and the gaps of the event loop."""

import asyncio
import functools
import gc
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from testing.worst_replies import generate_worst_replies
from worker import render
from worker.__main__ import SWITCH_INTERVAL_SECONDS
from worker.answering.publishing.reply_layout import ReplyLayout
from worker.answering.stop_conditions.stop_checker import StopChecker
from worker.answering.stop_conditions.turn_labels import TurnLabels
from worker.render import ReplyFacts
from worker.render.work_limits import MAX_REPLY_CHARACTERS

FACTS: Final = ReplyFacts("StarChat-β", "length", 8_191, ("see https://a.com/",))
LENGTHS: Final = (32_000, MAX_REPLY_CHARACTERS)
"""Characters of 8,191 tokens of prose or code, and the most that a reply may have."""
TICK_SECONDS: Final = 0.001
"""Interval in seconds at which the event loop is expected to run."""
MAX_LAYOUT_MS: Final = 50
MAX_GAP_MS: Final = 20
STEP_CHARACTERS: Final = 16
"""Characters by which a reply grows: about a step with speculative decoding."""
LOOP_FREE_CHARACTERS: Final = 400
"""Characters of a pattern between two numbers, so that it is no endless repetition."""
MAX_NAMED_PATTERNS: Final = 5
"""Patterns that the table names."""


@dataclass
class LayoutTimes:
    """Milliseconds by pattern, one entry a round: CPU time, and gaps of the event loop."""

    final: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    edit: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    gaps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    checks: list[float] = field(default_factory=list)
    """Longest step of the stop conditions, which run on the event loop, of each pattern."""
    idle_gaps: list[float] = field(default_factory=list)
    """Gaps while a thread sleeps for the time of a layout: those of other processes."""


def main(rounds: int) -> str:
    """Measure, and return the table."""
    return format_layout(measure_layout(rounds))


def measure_layout(rounds: int) -> dict[int, LayoutTimes]:
    """Lay out every worst reply `rounds` times in the worker's threads, beside an idle loop."""
    gc.freeze()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    return {length: asyncio.run(_measure_length(length, rounds)) for length in LENGTHS}


def format_layout(figures: dict[int, LayoutTimes]) -> str:
    """Return the figures as a Markdown table."""
    rows = ["| Characters | Figure | ms | Aim |", "|---|---|---|---|"]
    for length, times in figures.items():
        final = _flatten(times.final)
        gaps = {name: min(values) for name, values in times.gaps.items()}
        cells = [
            (f"layout, p50 of {len(final)}", statistics.median(final), ""),
            ("layout, p99", _p99(final), f"≤ {MAX_LAYOUT_MS}"),
            ("layout, maximum", max(final), ""),
            ("one edit, p99", _p99(_flatten(times.edit)), ""),
            ("gap of the event loop, p99 of the patterns", _p99(gaps.values()), f"≤ {MAX_GAP_MS}"),
            ("stop conditions, longest step", max(times.checks), f"≤ {MAX_GAP_MS}"),
            ("gap beside an idle thread, p99", _p99(times.idle_gaps), ""),
        ]
        rows += [f"| {length:,} | {name} | {ms:.1f} | {aim} |" for name, ms, aim in cells]
    slowest = _name_slowest(times.final)
    return "\n".join([*rows, "", f"Slowest: {slowest}"])


async def _measure_length(length: int, rounds: int) -> LayoutTimes:
    layout, times = ReplyLayout(timeout_seconds=60.0), LayoutTimes()
    for name, text in generate_worst_replies(length).items():
        compose_final = functools.partial(render.compose_final, text, facts=FACTS)
        compose_growing = functools.partial(render.compose_growing, text)
        times.checks.append(_time_checks(text))
        for _ in range(rounds):
            cpu_ms, gap_ms = await _run_beside_loop(layout, compose_final)
            times.final[name].append(cpu_ms)
            times.gaps[name].append(gap_ms)
            times.edit[name].append((await _run_beside_loop(layout, compose_growing))[0])
            idle = functools.partial(time.sleep, cpu_ms / 1000)
            times.idle_gaps.append((await _run_beside_loop(layout, idle))[1])
    return times


async def _run_beside_loop(
    layout: ReplyLayout, compose: Callable[[], object]
) -> tuple[float, float]:
    """Return the thread's CPU time, and the loop's longest gap beyond a tick (ms)."""
    work = asyncio.create_task(layout.run_in_thread(_time_cpu, compose))
    longest, last = 0.0, time.perf_counter()
    while not work.done():
        await asyncio.sleep(TICK_SECONDS)
        now = time.perf_counter()
        longest, last = max(longest, now - last - TICK_SECONDS), now
    return await work, longest * 1000


def _time_checks(text: str) -> float:
    """Return the longest step of the stop conditions while a reply grows (ms)."""
    pieces = [
        text[n : n + LOOP_FREE_CHARACTERS] + str(n)
        for n in range(0, len(text), LOOP_FREE_CHARACTERS)
    ]
    grown = "".join(pieces) + "\n\nAda: so?\n\n"
    checker = StopChecker(TurnLabels(frozenset({"Ada"})), ("<|system|>", "<|user|>", "<|end|>"))
    return max(
        _time_cpu(functools.partial(checker.find_cut, grown[:end]))
        for end in range(STEP_CHARACTERS, len(grown) + STEP_CHARACTERS, STEP_CHARACTERS)
    )


def _time_cpu(compose: Callable[[], object]) -> float:
    started = time.thread_time()
    compose()
    return (time.thread_time() - started) * 1000


def _name_slowest(times: dict[str, list[float]]) -> str:
    slowest = sorted(times, key=lambda name: -max(times[name]))[:MAX_NAMED_PATTERNS]
    return ", ".join(f"``` {name} ```" for name in slowest)


def _flatten(times: dict[str, list[float]]) -> list[float]:
    return [value for values in times.values() for value in values]


def _p99(values: Iterable[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
