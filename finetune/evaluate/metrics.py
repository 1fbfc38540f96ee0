"""Metrics of a model on held-out dialogues, each as a ratio of two sums. Pure."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Better = Literal["lower", "higher", "neither"]


class ReplyFigures(NamedTuple):
    """Figures of one generated reply; `has_looped` is whether it was cut as endless repetition."""

    tokens: int
    has_code: bool
    is_parsed: bool
    safety_hints: int
    name_hints: int
    has_looped: bool


class DialogueFigures(NamedTuple):
    """
    Figures of one dialogue: the summed loss of its learned tokens, and a reply to its prompt.

    `is_approved` is whether people approved the learned reply by votes. `reply` is `None` if none
    was generated.
    """

    thread: str
    loss: float
    tokens: int
    is_approved: bool
    reply: ReplyFigures | None


class Metric(NamedTuple):
    """A ratio of sums over dialogues, and which of two values is better."""

    name: str
    better: Better
    read: Callable[[DialogueFigures], tuple[float, float]]


NOTHING: Final = (0.0, 0.0)


def _by_reply(
    read: Callable[[ReplyFigures], float],
) -> Callable[[DialogueFigures], tuple[float, float]]:
    return lambda one: NOTHING if one.reply is None else (read(one.reply), 1)


def _read_parsed(one: DialogueFigures) -> tuple[float, float]:
    return (one.reply.is_parsed, 1) if one.reply and one.reply.has_code else NOTHING


METRICS: Final = (
    Metric("Validation loss", "lower", lambda one: (one.loss, one.tokens)),
    Metric(
        "Loss of replies approved by votes",
        "lower",
        lambda one: (one.loss, one.tokens) if one.is_approved else NOTHING,
    ),
    Metric("Share of replies with code", "neither", _by_reply(lambda reply: reply.has_code)),
    Metric("Share of those whose code parses", "higher", _read_parsed),
    Metric("Hints about safety per reply", "lower", _by_reply(lambda reply: reply.safety_hints)),
    Metric("Names to check per reply", "lower", _by_reply(lambda reply: reply.name_hints)),
    Metric("Tokens per reply", "neither", _by_reply(lambda reply: reply.tokens)),
    Metric("Share of endless repetitions", "lower", _by_reply(lambda reply: reply.has_looped)),
)


def sum_threads(metric: Metric, dialogues: Sequence[DialogueFigures]) -> NDArray[np.float64]:
    """Return both sums of each thread `[T, 2]`, because dialogues of a thread are alike."""
    sums = {thread: np.zeros(2) for thread in sorted({one.thread for one in dialogues})}
    for one in dialogues:
        sums[one.thread] += metric.read(one)
    return np.array(list(sums.values()))
