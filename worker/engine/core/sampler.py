"""
Sampler: temperature, then top_k, then top_p (nucleus sampling), seeded by each request.

All rows of a step are sampled in one pass over their largest logits, the candidates; only these
leave the device. The full row follows where they can't decide. Sums run from the most likely token
on, so a row's token depends neither on the number of candidates nor on the rows beside it. With
drafts a request samples several tokens in one step.

Shapes: R rows, K candidates of each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.engine import SamplingParams
from worker.engine.core.request_state import ScheduledRequest
from worker.engine.core.row_params import RowParams, list_rows

NUM_CANDIDATES: Final = 65
"""Candidates of a row: 64, and one more to detect a tie. A larger top_k in the step needs more."""
MAX_CANDIDATES: Final = 1_025
"""A row whose top_k needs more is sampled from the full row."""
UNDECIDED: Final = -1
"""In place of a token id: the row needs more candidates."""
INVALID: Final = -2
"""In place of a token id: the row's logits are unusable."""
ID_BITS: Final = 32

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Distribution:
    """
    Filtered distribution of R rows over their candidates, in falling order.

    `weights` and their sums `cumulative` are `[R, K]`, relative to the largest logit's weight 1.
    The first `num_kept` candidates pass all filters, and the sum of all that pass is `total`, where
    `is_known` says that the candidates determine it. `[R]` each.
    """

    weights: Floats
    cumulative: Floats
    num_kept: Ids
    total: Floats
    is_known: NDArray[np.bool_]


class SampledStep:
    """
    Tokens of all rows of a step. `logits`: `[R, vocab]`; `rows` gives settings and indices.

    `token_ids` `[R]` are those that the step itself has sampled. They count if it can sample rows
    with these settings.
    """

    def __init__(
        self,
        logits: Tensor,
        rows: Sequence[tuple[SamplingParams, int]],
        token_ids: Tensor | None = None,
    ) -> None:
        self._logits, self._rows = logits, rows
        self._weight_sums: Floats | None = None
        if token_ids is not None and all(_is_decidable(sampling) for sampling, _ in rows):
            tokens = token_ids.cpu().numpy()
            is_valid = tokens != INVALID
        elif all(sampling.temperature == 0 for sampling, _ in rows):
            largest, tokens = _find_largest(logits)
            is_valid = np.isfinite(largest)
        else:
            params = RowParams.from_rows(rows, logits.shape[1])
            values, ids = _find_candidates(logits, params)
            is_valid = np.isfinite(values[:, 0])
            if not is_valid.all():
                values[~is_valid] = 0  # keeps such rows out of the arithmetic
            self._weight_sums = _sum_weights(logits, values, params)
            tokens = sample_candidates(
                *sort_candidates(values, ids), params, self._weight_sums, logits.shape[1]
            )
        self._is_valid: list[bool] = is_valid.tolist()
        self._tokens: list[int] = tokens.tolist()

    def accept_tokens(self, scheduled: ScheduledRequest, rows: range) -> list[int]:
        """Return a request's tokens while its drafts are accepted; none if a row is invalid."""
        tokens: list[int] = []
        if not all(self._is_valid[rows.start : rows.stop]):
            return tokens
        for row in rows:
            tokens.append(self._read_token(row))
            if not scheduled.accepts_draft(tokens):
                break
        return tokens

    def _read_token(self, row: int) -> int:
        if self._tokens[row] != UNDECIDED:
            return self._tokens[row]
        values = self._logits[row : row + 1].float().cpu().numpy()
        weight_sums = None if self._weight_sums is None else self._weight_sums[row : row + 1]
        [token] = sample_candidates(
            *sort_candidates(values, np.arange(values.shape[1])),
            RowParams.from_rows(self._rows[row : row + 1], values.shape[1]),
            weight_sums,
            values.shape[1],
        )
        return int(token)


def sample_step(
    step: Sequence[ScheduledRequest], logits: Tensor, token_ids: Tensor | None = None
) -> Iterator[tuple[ScheduledRequest, list[int]]]:
    """
    Yield each request that can sample with its next token ids; no ids if its logits are invalid.

    `logits`: `[N, vocab]`; N sums the step's `num_logits`, in its order. `token_ids`: `[N]`, if the
    step has sampled them.
    """
    if not len(logits):
        return
    sampled = SampledStep(logits, list_rows(step), token_ids)
    first = 0
    for scheduled in step:
        if num_logits := scheduled.num_logits:
            yield scheduled, sampled.accept_tokens(scheduled, range(first, first + num_logits))
            first += num_logits


def sort_candidates(values: NDArray[np.float32], ids: Ids) -> tuple[Floats, Ids]:
    """Sort `[R, K]` logits in falling order and equal ones by id; none may be NaN."""
    # One number holds both. Bits of floats are in the floats' order once those of negative ones
    # are flipped. The subtraction reverses the order, and makes 0.0 of -0.0.
    keys = _flip_negatives((np.float32(0) - values).view(np.int32)).astype(np.int64)
    keys = (keys << ID_BITS) | ids
    keys.sort(axis=-1)
    bits = _flip_negatives((keys >> ID_BITS).astype(np.int32))
    return -bits.view(np.float32).astype(np.float64), keys & 0xFFFF_FFFF


def filter_candidates(
    logits: Floats, params: RowParams, weight_sums: Floats | None, vocab_size: int
) -> Distribution:
    """
    Apply the three filters to `[R, K]` logits in falling order.

    `weight_sums` are `[R]`: the sum of all weights of a row without top_k. It is NaN for other
    rows, and `None` if all weights are those of the candidates.
    """
    rows, num_candidates = np.arange(len(logits)), logits.shape[1]
    scaled = (logits - logits[:, :1]) / params.temperature[:, None]
    cutoff = scaled[rows, np.minimum(params.top_k, num_candidates) - 1]
    if not params.top_k.all():
        cutoff = np.where(params.top_k > 0, cutoff, -np.inf)
    weights = np.exp(scaled) * (scaled >= cutoff[:, None])
    cumulative = weights.cumsum(axis=1)
    total = cumulative[:, -1]
    is_known = cutoff > scaled[:, -1]
    if weight_sums is not None:
        total = np.where(params.top_k > 0, total, weight_sums)
        reaches_nucleus = (total * params.top_p <= cumulative[:, -1]) | (params.top_p == 1)
        is_known = np.where(params.top_k > 0, is_known, reaches_nucleus)
    if num_candidates == vocab_size:
        is_known = np.ones_like(is_known)
    num_kept = (cumulative < (params.top_p * total)[:, None]).sum(axis=1)
    num_kept = np.minimum(num_kept + 1, num_candidates)
    total = np.where(params.top_p < 1, cumulative[rows, num_kept - 1], total)
    return Distribution(weights, cumulative, num_kept, total, is_known)


def sample_candidates(
    logits: Floats, ids: Ids, params: RowParams, weight_sums: Floats | None, vocab_size: int
) -> Ids:
    """
    Return each row's id at the quantile of its random number, or `UNDECIDED`: `[R]`.

    `logits`, `ids`: `[R, K]` in falling order; `weight_sums` as for `filter_candidates`.
    """
    found = filter_candidates(logits, params, weight_sums, vocab_size)
    quantile = params.random_numbers * found.total
    index = (found.cumulative <= quantile[:, None]).sum(axis=1)
    index = np.minimum(index, found.num_kept - 1)
    rows = np.arange(len(index))
    tokens: Ids = ids[rows, index]
    if logits.shape[1] < vocab_size:
        # Of logits equal to the last candidate's, some may not be candidates and have lower ids.
        is_decided = found.is_known & (logits[rows, index] > logits[:, -1])
        tokens[~is_decided] = UNDECIDED
    return tokens


def _is_decidable(sampling: SamplingParams) -> bool:
    """Whether the default number of candidates can decide rows with these settings."""
    return sampling.temperature == 0 or 0 < sampling.top_k < NUM_CANDIDATES


def _flip_negatives(bits: NDArray[np.int32]) -> NDArray[np.int32]:
    return bits ^ ((bits >> 31) & 0x7FFF_FFFF)


def _find_largest(logits: Tensor) -> tuple[NDArray[np.float32], Ids]:
    """Return each row's largest logit and its first id, `[R]` each."""
    if logits.device.type == "cpu":
        # Of equal logits the first one, as torch's `max` returns; numpy is ten times faster.
        rows = logits.float().numpy()
        ids = rows.argmax(axis=-1)
        return rows[np.arange(len(ids)), ids], ids
    largest, first_ids = logits.max(dim=-1)
    return largest.float().cpu().numpy(), first_ids.cpu().numpy()


def _find_candidates(logits: Tensor, params: RowParams) -> tuple[NDArray[np.float32], Ids]:
    """Return each row's largest logits in falling order, NaN first, and their ids: `[R, K]`."""
    count = NUM_CANDIDATES
    largest_top_k = int(params.top_k.max())
    if largest_top_k >= count:
        fitting = params.top_k[params.top_k < MAX_CANDIDATES]
        count = max(count, int(fitting.max(initial=0)) + 1)
    values, ids = logits.topk(min(count, logits.shape[1]))
    return values.float().cpu().numpy(), ids.cpu().numpy()


def _sum_weights(
    logits: Tensor, candidates: NDArray[np.float32], params: RowParams
) -> Floats | None:
    """Return the sum of all weights of each row without top_k, `[R]`; `None` if not needed."""
    if params.top_k.all() or candidates.shape == logits.shape:
        return None
    sums = np.full(len(logits), np.nan)
    rows = np.flatnonzero(params.top_k == 0)
    # On a CPU, threads share a sum by the number of rows, so each row is summed alone.
    chunk_size = 1 if logits.device.type == "cpu" else len(rows)
    for start in range(0, len(rows), chunk_size):
        chunk = rows[start : start + chunk_size]
        scale = torch.from_numpy(np.stack([candidates[chunk, 0], params.temperature[chunk]]))
        top, temperature = scale.to(logits.device)[:, :, None]
        weights = (logits[chunk].double() - top).div_(temperature).exp_()
        sums[chunk] = weights.sum(dim=-1).cpu().numpy()
    return sums
