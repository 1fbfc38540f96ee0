"""Plot of a comparison: the interval of each difference on its own scale."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from finetune.evaluate.bootstrap import CONFIDENCE
from finetune.evaluate.table import Results, judge


def draw_intervals(results: Results, file: Path) -> None:
    """Draw the metrics that have an interval, as SVG; the same results give the same bytes."""
    shown = [
        (metric, comparison, comparison.interval)
        for metric, comparison in results
        if comparison.interval is not None
    ]
    figure = Figure(figsize=(7, 0.9 * len(shown) + 0.6), layout="constrained")
    rows = figure.subplots(len(shown), squeeze=False)[:, 0]
    for axes, (metric, comparison, interval) in zip(rows, shown, strict=True):
        axes.plot(interval, (0, 0), marker="|", linewidth=2)
        axes.axvline(0, linestyle=":", color="grey")
        axes.set_yticks([])
        axes.set_title(f"{metric.name}: {judge(metric, comparison)}", fontsize=9, loc="left")
    rows[-1].set_xlabel(f"B − A, {CONFIDENCE:.0%} interval")
    with mpl.rc_context({"svg.hashsalt": file.name}):
        figure.savefig(file, format="svg", metadata={"Date": None})
