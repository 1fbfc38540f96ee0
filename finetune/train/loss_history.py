"""History of both losses: evaluations, a table in the form of the model card's, and a plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict

LogHistory = Sequence[dict[str, Any]]
"""What transformers' Trainer logs, and keeps in its checkpoints."""
PLOT_NAME: Final = "losses.svg"


class Evaluation(BaseModel):
    """Losses after a step: the validation's, and the mean of the training's since the last one."""

    model_config = ConfigDict(frozen=True)

    step: int
    epoch: float
    training_loss: float
    validation_loss: float


def list_evaluations(history: LogHistory) -> list[Evaluation]:
    """Return all evaluations in order."""
    found, losses = [], list[float]()
    for entry in history:
        if "loss" in entry:
            losses.append(entry["loss"])
        if "eval_loss" in entry and losses:
            found.append(
                Evaluation(
                    step=entry["step"],
                    epoch=round(entry["epoch"], 2),
                    training_loss=sum(losses) / len(losses),
                    validation_loss=entry["eval_loss"],
                )
            )
            losses = []
    return found


def find_best(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the first evaluation with the lowest validation loss."""
    return min(evaluations, key=lambda one: one.validation_loss)


def render_table(evaluations: Sequence[Evaluation]) -> str:
    """Return the evaluations as a table of text; the best one is marked."""
    best = find_best(evaluations)
    lines = [f"{'Training loss':>13}  {'Epoch':>5}  {'Step':>6}  {'Validation loss':>15}"]
    lines += [
        f"{one.training_loss:13.4f}  {one.epoch:5.2f}  {one.step:6}  {one.validation_loss:15.4f}"
        f"{'  ← kept' if one is best else ''}"
        for one in evaluations
    ]
    return "\n".join(lines)


def draw_losses(history: LogHistory, file: Path) -> None:
    """Draw both losses by epochs, as SVG; the same history gives the same bytes."""
    evaluations = list_evaluations(history)
    steps = [(entry["epoch"], entry["loss"]) for entry in history if "loss" in entry]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="Epoch", ylabel="Loss")
    axes.plot(*zip(*steps, strict=True), linewidth=0.8, alpha=0.5, label="training")
    if evaluations:
        best = find_best(evaluations)
        epochs = [one.epoch for one in evaluations]
        axes.plot(
            epochs, [one.validation_loss for one in evaluations], marker="o", label="validation"
        )
        axes.axvline(best.epoch, linestyle=":", label=f"kept: step {best.step}")
    axes.legend()
    draft = file.with_suffix(".draft")
    with mpl.rc_context({"svg.hashsalt": PLOT_NAME}):
        figure.savefig(draft, format="svg", metadata={"Date": None})
    draft.replace(file)
