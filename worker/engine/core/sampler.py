"""
Sampler: temperature, then top_k, then top_p (nucleus sampling), seeded by each request.

Only the `TOP_LOGITS` largest logits of a row leave the device; the full row follows where they
can't decide. With drafts a request samples several tokens in one step.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from worker.engine import SamplingParams
from worker.engine.core.request_state import RequestState, ScheduledRequest

TOP_LOGITS: Final = 65
"""Largest logits of a row that are tried first: 64, and one more to detect a tie."""

Logits = NDArray[np.float64]
Ids = NDArray[np.int64]


class InvalidLogitsError(Exception):
    """The largest logit is not finite, so no token can be sampled."""


def sample_step(
    step: Sequence[ScheduledRequest], logits: Tensor
) -> Iterator[tuple[ScheduledRequest, list[int]]]:
    """
    Yield each request that can sample with its next token ids; no ids if its logits are invalid.

    `logits`: `[N, vocab]`; N sums the step's `num_logits`, in its order.
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
    """Return the k largest logits of each row and their ids, `[N, k]` each."""
    if argmax_only and logits.device.type == "cpu":
        # Of equal logits the first one, as torch's `max` returns; numpy is ten times faster.
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
    """
    Sample a token from each row while its draft is accepted; no token if a row is invalid.

    `values`, `ids`: `[num_logits, k]`; `rows`: `[num_logits, vocab]`.
    """
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
    """Sample one token. `values`, `ids`: `[k]`; `row`: `[vocab]`."""
    sampling = state.request.sampling
    if sampling.temperature == 0 and (values.size == 1 or values[0] > values[1]):
        return int(ids[0])
    logits, ids = sort_logits(values, ids)
    if needs_full_row(logits, sampling):
        full_row = row.float().cpu().numpy()
        logits, ids = sort_logits(full_row, np.arange(full_row.size))
    return sample_from(logits, ids, sampling, draw_uniform(sampling, reply_index))


def sort_logits(logits: NDArray[np.floating], ids: Ids) -> tuple[Logits, Ids]:
    """
    Sort `[k]` logits in falling order and equal ones by id, independent of the device's order.

    Raises `InvalidLogitsError` if the largest logit is not finite.
    """
    logits64 = logits.astype(np.float64)
    if not np.isfinite(logits64.max()):
        raise InvalidLogitsError
    order = np.lexsort((ids, -logits64))
    return logits64[order], ids[order]


def needs_full_row(logits: Logits, sampling: SamplingParams) -> bool:
    """
    Whether the largest logits of a row, `[k]` in falling order, are too few for `sampling`.

    The last one may tie with logits that were left out. A tie at the k-th place counts as inside.
    """
    if sampling.temperature == 0:
        return bool(logits[0] == logits[-1])
    if not 0 < sampling.top_k < logits.size:
        return True
    return bool(logits[sampling.top_k - 1] == logits[-1])


def filter_probabilities(logits: Logits, sampling: SamplingParams) -> Logits:
    """Return the probabilities of `[k]` logits in falling order after all three filters."""
    if sampling.temperature == 0:
        one_hot: Logits = np.zeros(logits.size)
        one_hot[0] = 1.0
        return one_hot
    with np.errstate(over="ignore"):
        scaled: Logits = (logits - logits[0]) / sampling.temperature
    if 0 < sampling.top_k < scaled.size:
        scaled = np.where(scaled < scaled[sampling.top_k - 1], -np.inf, scaled)
    weights: Logits = np.exp(scaled)
    weights /= weights.sum()
    if sampling.top_p < 1:
        suffix_sums = np.cumsum(weights[::-1])[::-1]
        keep = suffix_sums > 1 - sampling.top_p
        keep[0] = True
        weights = np.where(keep, weights, 0.0)
        weights /= weights.sum()
    return weights


def sample_from(logits: Logits, ids: Ids, sampling: SamplingParams, random_number: float) -> int:
    """Return the id at quantile `random_number` (in [0, 1)) of the filtered distribution."""
    cumulative = np.cumsum(filter_probabilities(logits, sampling))
    index = int(np.searchsorted(cumulative, random_number * cumulative[-1], side="right"))
    return int(ids[min(index, ids.size - 1)])


def draw_uniform(sampling: SamplingParams, reply_index: int) -> float:
    """
    Return the random number in [0, 1) for one token of a reply.

    It depends only on the seed and the token's index, so a restarted reply samples the same tokens.
    """
    return float(
        np.random.Generator(np.random.Philox(key=sampling.seed, counter=reply_index)).random()
    )
