"""Turns what was played into medians, ratios and Markdown tables."""

import statistics
from collections.abc import Callable, Sequence

from bench.engine import workload
from bench.engine.load_generator import Played
from bench.engine.runner import ARRIVALS, Found

OURS = "ours"


def tables(found: Found) -> str:
    """Return a table for each way to arrive, and one for the turns of a thread."""
    parts = [
        f"### {title}\n\n{plays(found, arrivals)}"
        for arrivals, title in (
            ("burst", "All at once"),
            ("poisson", f"A Poisson stream of {workload.RATE} requests a second"),
        )
        if found.plays.get(arrivals)
    ]
    if found.threads:
        parts.append(f"### A thread of {workload.TURNS} turns\n\n{turns(found)}")
    return "\n\n".join(parts)


def plays(found: Found, arrivals: str) -> str:
    """
    Return medians over the rounds, and medians of the ratios to ours within each round.

    Seconds are CPU seconds; gaps are percentiles over all rounds together.
    """
    lines = [
        _row(
            "requests",
            "engine",
            "tokens/s",
            "ours is faster by",
            "first token, mean s",
            "between tokens, p50 / p99 ms",
            "memory, MiB",
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for count, peers in found.plays[arrivals].items():
        for name, rounds in peers.items():
            lines.append(
                _row(
                    str(count),
                    name,
                    f"{speed(found, arrivals, count, name):.1f}",
                    "" if name == OURS else f"{ratio(rounds, peers.get(OURS, rounds)):.2f}×",
                    f"{_median(rounds, lambda played: statistics.mean(played.firsts)):.2f}",
                    _gaps(rounds),
                    f"{max(played.memory for played in rounds):.0f}",
                )
            )
    return "\n".join(lines)


def turns(found: Found) -> str:
    """Return the CPU seconds to the first token of each turn, medians over the rounds."""
    first = f"first token of turn 1 … {workload.TURNS}, s"
    lines = [
        _row("engine", first, f"turn {workload.TURNS} beside ours", "whole thread, s"),
        "|---" * 4,
    ]
    lines[-1] += "|"
    last = _median(found.threads.get(OURS, []), lambda played: played.firsts[-1])
    for name, rounds in found.threads.items():
        firsts = [
            statistics.median(turns) for turns in zip(*(p.firsts for p in rounds), strict=True)
        ]
        beside = "" if name == OURS or not last else f"{firsts[-1] / last:.1f}×"
        whole = _median(rounds, lambda played: played.seconds)
        lines.append(_row(name, " ".join(f"{f:.2f}" for f in firsts), beside, f"{whole:.1f}"))
    return "\n".join(lines)


def speed(found: Found, arrivals: str, count: int, name: str) -> float:
    """Return a peer's median of tokens in a CPU second."""
    rounds = found.plays[arrivals][count][name]
    asked = [
        workload.tokens(ARRIVALS[arrivals](count, 1000 * count + n)) for n in range(len(rounds))
    ]
    return statistics.median(t / p.seconds for t, p in zip(asked, rounds, strict=True))


def ratio(theirs: Sequence[Played], ours: Sequence[Played]) -> float:
    """Return the median over the rounds of their CPU seconds to ours."""
    return statistics.median(t.seconds / o.seconds for t, o in zip(theirs, ours, strict=True))


def _median(rounds: Sequence[Played], of: Callable[[Played], float]) -> float:
    return statistics.median(map(of, rounds)) if rounds else 0.0


def _gaps(rounds: Sequence[Played]) -> str:
    gaps = [1000 * gap for played in rounds for gap in played.gaps]
    if len(gaps) < 2:
        return "whole replies"
    hundredths = statistics.quantiles(gaps, n=100)
    return f"{hundredths[49]:.0f} / {hundredths[98]:.0f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
