"""Report of a run: a Markdown table for people, JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from chaos.scenario import ScenarioResult

MAX_SHOWN_VIOLATIONS: Final = 5
"""Violations that are listed of one scenario."""
COLUMN_TITLES: Final = (
    *("scenario", "fault", "mentions", "faults", "missing", "duplicated", "misplaced"),
    *("out of order", "other", "recovery p50 / p95", "seconds", "measured"),
)
TABLE_HEADER: Final = f"| {' | '.join(COLUMN_TITLES)} |\n|{'---|' * len(COLUMN_TITLES)}"


def render_markdown(results: Sequence[ScenarioResult]) -> str:
    """Return one table for each system under test, StarChat's first."""
    systems = dict.fromkeys(result.system for result in results)
    parts = []
    for system in systems:
        system_results = [result for result in results if result.system == system]
        lines = [
            f"### {system[0].upper()}{system[1:]}",
            "",
            TABLE_HEADER,
            *map(_table_row, system_results),
            _totals_row(system_results),
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def list_violations(results: Sequence[ScenarioResult]) -> str:
    """Return one line for each violation, at most a few of each scenario."""
    return "\n".join(
        f"{result.system} {result.scenario}: {reason}"
        for result in results
        for reason in list(dict.fromkeys((*result.others, *result.details)))[:MAX_SHOWN_VIOLATIONS]
    )


def write_report(results: Sequence[ScenarioResult], target: Path, summary: str) -> None:
    """Write the Markdown to `target`, and the JSON beside it."""
    target.write_text(f"{summary}\n\n{render_markdown(results)}", "utf-8")
    found = [asdict(result) for result in results]
    target.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _table_row(result: ScenarioResult) -> str:
    fields = (
        f"`{result.scenario}`",
        result.description,
        result.mentions,
        result.faults,
        result.missing,
        result.duplicated,
        result.misplaced,
        result.out_of_order,
        len(result.others),
        _format_recovery(result),
        f"{result.seconds:.0f}",
        result.notes,
    )
    return f"| {' | '.join(map(str, fields))} |"


def _format_recovery(result: ScenarioResult) -> str:
    if result.recovery_p50 is None or result.recovery_p95 is None:
        return ""
    return f"{result.recovery_p50:.1f} / {result.recovery_p95:.1f} s"


def _totals_row(results: Sequence[ScenarioResult]) -> str:
    columns = ("mentions", "faults", "missing", "duplicated", "misplaced", "out_of_order")
    sums = [sum(getattr(result, column) for result in results) for column in columns]
    others = sum(len(result.others) for result in results)
    seconds = sum(result.seconds for result in results)
    fields = ["**all**", "", *sums, others, "", f"{seconds:.0f}", ""]
    return f"| {' | '.join(map(str, fields))} |"
