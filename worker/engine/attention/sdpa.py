"""How a layer looks back: attention over keys and values, wherever they lie; tensors in and out."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, slots=True)
class SDPA:
    """A layer's scale, and how far it looks back where it has a sliding window."""

    scale: float | None
    window: int | None

    def attend_causal(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """
        Attend within a row of tokens that starts at position 0.

        `query` is `[1, heads, tokens, dim]`, `key` and `value` have the key-value heads.
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
        """Attend from the last tokens of a row to what each has `seen` of it."""
        key, value = (_repeat_kv(part, query.shape[1]) for part in (key, value))
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=self.scale)

    def attend_grouped_query(self, query: Tensor, kv: Tensor, mask: Tensor | None = None) -> Tensor:
        """
        Attend from query heads that are folded onto the tokens of the head that serves them.

        `query` is `[rows, key-value heads, folded, dim]`, `held` `[2, rows, key-value heads,
        positions, dim]`. So no key is repeated, and a row's heads are one product of matrices.
        """
        return scaled_dot_product_attention(query, kv[0], kv[1], attn_mask=mask, scale=self.scale)

    def attend_without_fusion(self, query: Tensor, kv: Tensor, mask: Tensor) -> Tensor:
        """
        Return what `folded` does, by plain products that write their scores down.

        A GPU's fused kernel gives all heads of a row to one of its processors, which goes through
        all positions alone; these it spreads over many.
        """
        scale = query.shape[3] ** -0.5 if self.scale is None else self.scale
        scores = torch.matmul(query, kv[0].transpose(2, 3)).float() * scale
        return torch.matmul((scores + mask).softmax(-1).to(query.dtype), kv[1])

    def first_visible(self, position: int) -> int:
        """Return the first position that a token `at` a position attends to."""
        return 0 if self.window is None else max(0, position + 1 - self.window)

    def visible_from(self, start: int, num_tokens: int, device: torch.device) -> Tensor:
        """Return what each of `count` tokens from position `start` on attends to."""
        query_positions = torch.arange(start, start + num_tokens, device=device).unsqueeze(1)
        return self.visible_mask(query_positions, start + num_tokens)

    def visible_mask(self, query_positions: Tensor, num_keys: int) -> Tensor:
        """Return which of `total` positions a token `at` a position attends to."""
        key_positions = torch.arange(num_keys, device=query_positions.device)
        visible = key_positions <= query_positions
        if self.window is not None:
            visible &= key_positions > query_positions - self.window
        return visible

    def additive_mask(self, query_positions: Tensor, num_keys: int, dtype: torch.dtype) -> Tensor:
        """Return the same as what is added to the scores: nothing, or minus infinity."""
        # A mask of truth values would be turned into this one by every layer.
        visible = self.visible_mask(query_positions, num_keys)
        return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(
            ~visible, -torch.inf
        )


def _repeat_kv(kv: Tensor, num_heads: int) -> Tensor:
    """Repeat key-value heads for the query heads they serve; a view where there is one."""
    _, num_kv_heads, num_keys, dim = kv.shape
    expanded = kv.unsqueeze(2).expand(1, num_kv_heads, num_heads // num_kv_heads, num_keys, dim)
    return expanded.reshape(1, num_heads, num_keys, dim)
