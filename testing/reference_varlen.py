"""
Reference for `torch.nn.attention.varlen.varlen_attn`, whose kernel needs a GPU; for any device.

It is an operator of torch, so that a traced step calls it with the tensors of the replay.

Shapes: T tokens, Q sequences, R rows of keys, H query heads, H_kv key-value heads, D head size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


@torch.library.custom_op("starchat_tests::varlen", mutates_args=())
def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_starts: Tensor,
    key_starts: Tensor,
    max_lengths: Sequence[int],
    window_size: Sequence[int],
    scale: float,
    kv_lengths: Tensor,
) -> Tensor:
    output = torch.full_like(query, torch.nan)
    starts = query_starts.tolist()
    num_groups = query.shape[1] // key.shape[1]
    for start, end, first_key, length in zip(
        starts[:-1], starts[1:], key_starts.tolist()[:-1], kv_lengths.tolist(), strict=True
    ):
        assert end - start <= max_lengths[0]
        assert length <= max_lengths[1]
        keys, values = (
            part[first_key : first_key + length].repeat_interleave(num_groups, 1)
            for part in (key, value)
        )
        scores = torch.einsum("qhd,khd->hqk", query[start:end], keys) * scale
        own_positions = torch.arange(length - (end - start), length).unsqueeze(1)
        distances = own_positions - torch.arange(length)
        left, right = (length + end if bound < 0 else bound for bound in window_size)
        scores.masked_fill_((distances > left) | (distances < -right), -torch.inf)
        # A token without a visible key is 0.
        weights = scores.softmax(-1).nan_to_num()
        output[start:end] = torch.einsum("hqk,khd->qhd", weights, values)
    return output


def reference_varlen_attn(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_starts: Tensor,
    key_starts: Tensor,
    max_query_length: int,
    max_kv_length: int,
    *,
    seqused_k: Tensor,
    scale: float,
    window_size: tuple[int, int],
    **options: Any,
) -> Tensor:
    """
    Attend sequence by sequence, as torch documents `varlen_attn`. Returns `[T, H, D]`.

    `query`: `[T, H, D]`; `key`, `value`: `[R, H_kv, D]`; starts: int32 `[Q + 1]`; `seqused_k`:
    int32 `[Q]`. Tokens of no sequence are NaN.
    """
    assert options == {"enable_gqa": True}
    assert {query_starts.dtype, key_starts.dtype, seqused_k.dtype} == {torch.int32}
    output: Tensor = _attend(
        query,
        key,
        value,
        query_starts,
        key_starts,
        [max_query_length, max_kv_length],
        window_size,
        scale,
        seqused_k,
    )
    return output
