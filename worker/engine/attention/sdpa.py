"""
Scaled-dot-product attention (SDPA): causal, masked, sliding-window and grouped-query variants.

Shapes: B requests, T tokens, S key positions, H query heads, H_kv key-value heads, D head size,
G = H / H_kv query heads per key-value head.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, slots=True)
class SDPA:
    """One layer's attention: `scale` of the scores, and `window` in positions if it slides."""

    scale: float | None
    window: int | None

    def attend_causal(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """
        Attend within T tokens from position 0.

        `query`: `[1, H, T, D]`; `key`, `value`: `[1, H_kv, T, D]`. Returns `[1, H, T, D]`.
        """
        num_tokens = query.shape[2]
        if self.window is not None and num_tokens > self.window:
            return self.attend_with_mask(
                query, key, value, self.visible_from(0, num_tokens, query.device)
            )
        return scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=self.scale, enable_gqa=True
        )

    def attend_with_mask(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """
        Attend from T tokens to S positions under a boolean `mask` `[T, S]`.

        `query`: `[1, H, T, D]`; `key`, `value`: `[1, H_kv, S, D]`. Returns `[1, H, T, D]`.
        """
        key, value = (_repeat_kv(part, query.shape[1]) for part in (key, value))
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=self.scale)

    def attend_grouped_query(self, query: Tensor, kv: Tensor, mask: Tensor | None = None) -> Tensor:
        """
        Attend with query heads grouped by their key-value head, so that no key is repeated.

        `query`: `[B, H_kv, G * T, D]`; `kv`: `[2, B, H_kv, S, D]`; `mask`: additive,
        broadcastable to `[B, H_kv, G * T, S]`. Returns `[B, H_kv, G * T, D]`.
        """
        return scaled_dot_product_attention(query, kv[0], kv[1], attn_mask=mask, scale=self.scale)

    def first_visible(self, position: int) -> int:
        """Return the first position that the token at `position` attends to."""
        return 0 if self.window is None else max(0, position + 1 - self.window)

    def visible_from(self, start: int, num_tokens: int, device: torch.device) -> Tensor:
        """Return the boolean mask `[T, S]` of T tokens from position `start`; S = start + T."""
        query_positions = torch.arange(start, start + num_tokens, device=device).unsqueeze(1)
        return self.visible_mask(query_positions, start + num_tokens)

    def visible_mask(self, query_positions: Tensor, num_keys: int) -> Tensor:
        """Return the boolean mask `[…, S]` for int64 `query_positions` `[…, 1]`; S = num_keys."""
        key_positions = torch.arange(num_keys, device=query_positions.device)
        visible = key_positions <= query_positions
        if self.window is not None:
            visible &= key_positions > query_positions - self.window
        return visible

    def additive_mask(self, query_positions: Tensor, num_keys: int, dtype: torch.dtype) -> Tensor:
        """Return `visible_mask` in `dtype`: 0 where visible, minus infinity elsewhere."""
        # SDPA would convert a boolean mask into this one in every layer.
        visible = self.visible_mask(query_positions, num_keys)
        return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(
            ~visible, -torch.inf
        )


def _repeat_kv(kv: Tensor, num_heads: int) -> Tensor:
    """Return `[1, H, S, D]` for `[1, H_kv, S, D]`; a view if H_kv is 1."""
    _, num_kv_heads, num_keys, dim = kv.shape
    expanded = kv.unsqueeze(2).expand(1, num_kv_heads, num_heads // num_kv_heads, num_keys, dim)
    return expanded.reshape(1, num_heads, num_keys, dim)
