"""Chooses the next tokens from a step's logits: one for each request, more where drafts agree."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.core.sample import (
    TOP_LOGITS,
    draw_uniform,
    needs_full_row,
    sample_from,
    sort_logits,
)


def sample_step(
    step: Sequence[ScheduledRequest], logits: Tensor
) -> Iterator[tuple[ScheduledRequest, list[int]]]:
    """
    Yield each work whose pending tokens are all fed, with what comes next; nothing where none can.

    `logits` are `[choices of the works, vocabulary]`, in the order of the step.
    """
    if not len(logits):
        return
    values, ids = _take_top_logits(logits.float(), argmax_only=_is_all_greedy(step))
    first_row = 0
    for scheduled in step:
        rows = slice(first_row, first_row + scheduled.num_logits)
        first_row = rows.stop
        if scheduled.num_logits:
            yield scheduled, _sample_request(scheduled, values[rows], ids[rows], logits[rows])


def _is_all_greedy(step: Sequence[ScheduledRequest]) -> bool:
    return all(
        scheduled.state.request.sampling.temperature == 0
        for scheduled in step
        if scheduled.num_logits
    )


def _take_top_logits(logits: Tensor, *, argmax_only: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest logits of each row and their ids; with `only` the largest alone."""
    if argmax_only and logits.device.type == "cpu":
        # Of equal ones the first, as torch's `max` has it too; numpy finds it ten times sooner.
        rows = logits.numpy()
        first = rows.argmax(axis=-1, keepdims=True)
        return np.take_along_axis(rows, first, axis=-1), first
    if argmax_only:
        values, ids = logits.max(dim=-1, keepdim=True)
    else:
        values, ids = logits.topk(min(TOP_LOGITS, logits.shape[1]))
    return values.cpu().numpy(), ids.cpu().numpy()


def _sample_request(
    scheduled: ScheduledRequest, values: np.ndarray, ids: np.ndarray, rows: Tensor
) -> list[int]:
    """Choose a token at each row while the one before was drafted; none where none can be."""
    sampled: list[int] = []
    if not np.isfinite(values[:, 0]).all():
        return sampled
    num_new_tokens = scheduled.state.num_new_tokens
    while not sampled or scheduled.accepts_draft(sampled):
        row = len(sampled)
        sampled.append(
            _sample_token(scheduled.state, values[row], ids[row], rows[row], num_new_tokens + row)
        )
    return sampled


def _sample_token(
    state: RequestState, values: np.ndarray, ids: np.ndarray, row: Tensor, reply_index: int
) -> int:
    sampling = state.request.sampling
    if sampling.temperature == 0 and (values.size == 1 or values[0] > values[1]):
        return int(ids[0])
    logits, ids = sort_logits(values, ids)
    if needs_full_row(logits, sampling):
        full_row = row.float().cpu().numpy()
        logits, ids = sort_logits(full_row, np.arange(full_row.size))
    return sample_from(logits, ids, sampling, draw_uniform(sampling, reply_index))
