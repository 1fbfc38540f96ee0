"""
Sampling within a captured step: token ids leave the GPU instead of candidates.

The same rule as `worker.engine.core.sampler`, for rows with a top_k below the number of candidates,
and greedy ones. It has no branch and no size that depends on a number, so a CUDA graph can hold it.

Shapes: R rows, K candidates of each.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from worker.engine.core.request_state import ScheduledRequest
from worker.engine.core.row_params import RowParams, list_rows
from worker.engine.core.sampler import ID_BITS, INVALID, NUM_CANDIDATES, UNDECIDED


def stage_params(step: Sequence[ScheduledRequest], vocab_size: int, device: torch.device) -> Tensor:
    """Return a step's `RowParams` as float64 `[R, 4]` in the host's memory, pinned for a GPU."""
    params = RowParams.from_rows(list_rows(step), vocab_size)
    columns = (params.temperature, params.top_k, params.top_p, params.random_numbers)
    staged = torch.from_numpy(np.stack(columns, axis=1))
    return staged if device.type == "cpu" else staged.pin_memory()


def sample_rows(logits: Tensor, params: Tensor) -> Tensor:
    """
    Return each row's token id, `UNDECIDED` or `INVALID`, int64 `[R]`.

    `logits`: `[R, vocab]`; `params`: float64 `[R, 4]` as of `stage_params`.
    """
    temperature, top_k, top_p, random_numbers = params.t().unsqueeze(2)
    values, ids = logits.topk(min(NUM_CANDIDATES, logits.shape[1]))
    is_valid = values[:, :1].isfinite()
    candidates, ids = _sort_candidates(values.float(), ids)
    scaled = (candidates - candidates[:, :1]) / temperature
    num_candidates = candidates.shape[1]
    last = (top_k.long() - 1).clamp(0, num_candidates - 1)
    cutoff = scaled.gather(1, last)
    weights = scaled.exp() * (scaled >= cutoff)
    cumulative = weights.cumsum(1)
    total = cumulative[:, -1:]
    num_kept = (cumulative < top_p * total).sum(1, keepdim=True) + 1
    num_kept = num_kept.clamp(max=num_candidates)
    total = torch.where(top_p < 1, cumulative.gather(1, num_kept - 1), total)
    index = (cumulative <= random_numbers * total).sum(1, keepdim=True)
    index = torch.minimum(index, num_kept - 1)
    # Of logits equal to the last candidate's, some may not be candidates and have lower ids.
    is_decided = (top_k >= 1) & (top_k < num_candidates) & (cutoff > scaled[:, -1:])
    is_decided &= candidates.gather(1, index) > candidates[:, -1:]
    tokens = torch.where(is_decided, ids.gather(1, index), UNDECIDED)
    return torch.where(is_valid, tokens, INVALID).squeeze(1)


def _sort_candidates(values: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Sort float32 `[R, K]` in falling order, equal ones by id; returns float64 and int64."""
    # One number holds both, as in `worker.engine.core.sampler.sort_candidates`.
    keys = _flip_negatives((0 - values).view(torch.int32)).long()
    keys = (keys.bitwise_left_shift(ID_BITS) | ids).sort(1).values
    bits = _flip_negatives(keys.bitwise_right_shift(ID_BITS).int())
    return -bits.view(torch.float32).double(), keys & 0xFFFF_FFFF


def _flip_negatives(bits: Tensor) -> Tensor:
    return bits ^ (bits.bitwise_right_shift(31) & 0x7FFF_FFFF)
