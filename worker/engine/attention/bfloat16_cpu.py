"""
Prefill attention in bfloat16 on a CPU, by plain matrix products instead of torch's fused kernel.

Queries go in blocks of one size, over keys up to a multiple of it: oneDNN builds a kernel for each
new shape. What a token may not see gets a score of minus infinity. Scores are rounded to bfloat16
before the softmax, as in transformers' own attention.

Shapes: T tokens, S positions of a slot, H query heads, H_kv key-value heads, D head size.
"""

import math
from typing import Any, Final

import torch
from torch import Tensor

from worker.engine.attention.sdpa import SDPA

BLOCK_TOKENS: Final = 64
"""Tokens of a block. Shorter chunks attend by SDPA."""
FUTURE_MASK: Final = torch.full(
    (BLOCK_TOKENS, 2 * BLOCK_TOKENS), -math.inf, dtype=torch.bfloat16
).triu_(1)
"""Added to a block's scores from its first token's position on."""


def has_native_bfloat16() -> bool:
    """Return whether this processor has instructions for bfloat16 (AVX-512-BF16 or AMX)."""
    cpu: Any = torch.cpu
    return bool(cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())  # noqa: SLF001


def suits_blocks(query: Tensor, sdpa: SDPA, num_keys: int) -> bool:
    """Whether a prefill chunk, `query` `[1, H, T, D]`, attends faster by blocks."""
    return (
        query.shape[2] >= BLOCK_TOKENS
        and query.dtype == torch.bfloat16
        and query.device.type == "cpu"
        and (sdpa.window is None or num_keys <= sdpa.window)
        and has_native_bfloat16()
    )


def attend_by_blocks(query: Tensor, kv: Tensor, start: int, scale: float | None) -> Tensor:
    """
    Attend from T tokens, the first at position `start`, each to all positions up to its own.

    `query`: `[1, H, T, D]`, T at least `BLOCK_TOKENS`; `kv`: `[2, H_kv, S, D]`, a whole slot.
    Returns `[T, H, D]`.
    """
    _, num_heads, num_tokens, dim = query.shape
    num_kv_heads, num_positions = kv.shape[1:3]
    scaled = query[0] * (dim**-0.5 if scale is None else scale)
    grouped = scaled.view(num_kv_heads, -1, num_tokens, dim).transpose(1, 2)
    output = torch.empty_like(grouped)
    last = num_tokens - BLOCK_TOKENS
    # The last block may repeat tokens of the one before.
    for first in (*range(0, last, BLOCK_TOKENS), last):
        block = grouped[:, first : first + BLOCK_TOKENS]
        end = start + first + BLOCK_TOKENS
        end = min(-(-end // BLOCK_TOKENS) * BLOCK_TOKENS, num_positions)
        keys, values = kv[:, :, :end]
        scores = torch.bmm(block.flatten(1, 2), keys.transpose(1, 2))
        own_scores = scores.view(*block.shape[:3], end)[..., start + first :]
        own_scores += FUTURE_MASK[:, None, : own_scores.shape[-1]]
        attended = torch.bmm(scores.softmax(-1), values)
        output[:, first : first + BLOCK_TOKENS] = attended.view(block.shape)
    return output.transpose(0, 1).reshape(num_tokens, num_heads, dim)
