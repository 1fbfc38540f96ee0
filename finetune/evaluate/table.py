"""Table of a comparison, as text and as Markdown, with a verdict for each metric. Pure."""

from collections.abc import Sequence
from typing import Final

from finetune.evaluate.bootstrap import CONFIDENCE, Comparison
from finetune.evaluate.metrics import Metric

HEADING: Final = ("Metric", "A", "B", f"B − A, {CONFIDENCE:.0%}", "Verdict")

Results = Sequence[tuple[Metric, Comparison]]


def judge(metric: Metric, comparison: Comparison) -> str:
    """Return a verdict. Only an interval that excludes 0 names a model."""
    if comparison.interval is None:
        return "too few to say"
    if not comparison.interval.excludes_zero:
        return "no difference shown"
    is_higher = comparison.interval.low > 0
    if metric.better == "neither":
        return f"B is {'higher' if is_higher else 'lower'}"
    return "B is better" if is_higher == (metric.better == "higher") else "A is better"


def render_text(results: Results) -> str:
    """Return the table with aligned columns."""
    rows = [HEADING, *_list_rows(results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def render_markdown(results: Results) -> str:
    """Return the table in Markdown."""
    rows = [HEADING, ("---",) * len(HEADING), *_list_rows(results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _list_rows(results: Results) -> list[tuple[str, ...]]:
    return [
        (
            metric.name,
            _format_value(comparison.first),
            _format_value(comparison.second),
            _format_interval(comparison),
            judge(metric, comparison),
        )
        for metric, comparison in results
    ]


def _format_value(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _format_interval(comparison: Comparison) -> str:
    interval = comparison.interval
    return "–" if interval is None else f"{interval.low:+.3g} to {interval.high:+.3g}"
