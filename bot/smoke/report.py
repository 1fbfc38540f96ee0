"""Table of a smoke test: what worked, and what Slack said, without text, ids or tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEADINGS: Final = ("step", "result", "seconds", "what Slack said")


@dataclass(frozen=True, slots=True)
class StepResult:
    """Outcome of one step. `remark` consists of our own words, numbers and Slack's error names."""

    name: str
    worked: bool
    seconds: float
    remark: str


def format_report(results: Sequence[StepResult]) -> str:
    """Return the table and its last line, how many steps worked."""
    rows = [HEADINGS, *map(_format_row, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    num_worked = sum(result.worked for result in results)
    return "\n".join([*lines, "", f"{num_worked} of {len(results)} steps worked."])


def _format_row(result: StepResult) -> tuple[str, str, str, str]:
    outcome = "ok" if result.worked else "FAILED"
    return result.name, outcome, f"{result.seconds:.1f}", result.remark
