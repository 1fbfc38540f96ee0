"""Shows what came of the rows: as Markdown for people, as JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from chaos.scenario import Result

SHOWN: Final = 5
"""Violations of one row that are listed."""
TITLES: Final = (
    *("row", "fault", "mentions", "faults", "missing", "doubled", "wrong place", "out of order"),
    *("other", "recovery p50 / p95", "seconds", "measured"),
)
HEAD: Final = f"| {' | '.join(TITLES)} |\n|{'---|' * len(TITLES)}"


def markdown(results: Sequence[Result]) -> str:
    """Return one table for each player, the product's first."""
    players = dict.fromkeys(result.player for result in results)
    parts = []
    for player in players:
        rows = [result for result in results if result.player == player]
        lines = [f"### {player}", "", HEAD, *map(_line, rows), _sum(rows)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def violations(results: Sequence[Result]) -> str:
    """Return what was broken, a line each and a few of each row."""
    return "\n".join(
        f"{result.player} {result.row}: {why}"
        for result in results
        for why in list(dict.fromkeys((*result.others, *result.details)))[:SHOWN]
    )


def write(results: Sequence[Result], target: Path, head: str) -> None:
    """Write the Markdown to `target`, and beside it the JSON."""
    target.write_text(f"{head}\n\n{markdown(results)}", "utf-8")
    found = [asdict(result) for result in results]
    target.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _line(result: Result) -> str:
    fields = (
        result.row,
        result.what,
        result.mentions,
        result.faults,
        result.missing,
        result.doubled,
        result.misplaced,
        result.disordered,
        len(result.others),
        _recovery(result),
        f"{result.seconds:.0f}",
        result.notes,
    )
    return f"| {' | '.join(map(str, fields))} |"


def _recovery(result: Result) -> str:
    if result.recovery_p50 is None or result.recovery_p95 is None:
        return ""
    return f"{result.recovery_p50:.1f} / {result.recovery_p95:.1f} s"


def _sum(results: Sequence[Result]) -> str:
    columns = ("mentions", "faults", "missing", "doubled", "misplaced", "disordered")
    sums = [sum(getattr(result, column) for result in results) for column in columns]
    others = sum(len(result.others) for result in results)
    seconds = sum(result.seconds for result in results)
    fields = ["**all**", "", *sums, others, "", f"{seconds:.0f}", ""]
    return f"| {' | '.join(map(str, fields))} |"
