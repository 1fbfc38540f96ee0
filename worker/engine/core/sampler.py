"""Chooses the next tokens from a step's logits: one for each request, more where drafts agree."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from worker.engine.core.request_state import Live, Work
from worker.engine.core.sample import MOST, choose, needs_row, ordered, uniform


def choices(step: Sequence[Work], logits: Tensor) -> Iterator[tuple[Work, list[int]]]:
    """
    Yield each work whose pending tokens are all fed, with what comes next; nothing where none can.

    `logits` are `[choices of the works, vocabulary]`, in the order of the step.
    """
    if not len(logits):
        return
    values, ids = _largest(logits.float(), only=_greedy(step))
    first = 0
    for work in step:
        rows = slice(first, first + work.choices)
        first = rows.stop
        if work.choices:
            yield work, _next(work, values[rows], ids[rows], logits[rows])


def _greedy(step: Sequence[Work]) -> bool:
    return all(work.live.request.sampling.temperature == 0 for work in step if work.choices)


def _largest(logits: Tensor, *, only: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest logits of each row and their ids; with `only` the largest alone."""
    if only and logits.device.type == "cpu":
        # Of equal ones the first, as torch's `max` has it too; numpy finds it ten times sooner.
        rows = logits.numpy()
        first = rows.argmax(axis=-1, keepdims=True)
        return np.take_along_axis(rows, first, axis=-1), first
    if only:
        values, ids = logits.max(dim=-1, keepdim=True)
    else:
        values, ids = logits.topk(min(MOST, logits.shape[1]))
    return values.cpu().numpy(), ids.cpu().numpy()


def _next(work: Work, values: np.ndarray, ids: np.ndarray, rows: Tensor) -> list[int]:
    """Choose a token at each row while the one before was drafted; none where none can be."""
    chosen: list[int] = []
    if not np.isfinite(values[:, 0]).all():
        return chosen
    new = work.live.new
    while not chosen or work.leads_on(chosen):
        row = len(chosen)
        chosen.append(_one(work.live, values[row], ids[row], rows[row], new + row))
    return chosen


def _one(live: Live, values: np.ndarray, ids: np.ndarray, row: Tensor, place: int) -> int:
    sampling = live.request.sampling
    if sampling.temperature == 0 and (values.size == 1 or values[0] > values[1]):
        return int(ids[0])
    logits, ids = ordered(values, ids)
    if needs_row(logits, sampling):
        whole = row.float().cpu().numpy()
        logits, ids = ordered(whole, np.arange(whole.size))
    return choose(logits, ids, sampling, uniform(sampling, place))
