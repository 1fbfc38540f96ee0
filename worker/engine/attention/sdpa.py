"""How a layer looks back: attention over keys and values, wherever they lie; tensors in and out."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, slots=True)
class Look:
    """A layer's scale, and how far it looks back where it has a sliding window."""

    scale: float | None
    window: int | None

    def causal(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """
        Attend within a row of tokens that starts at position 0.

        `query` is `[1, heads, tokens, dim]`, `key` and `value` have the key-value heads.
        """
        count = query.shape[2]
        if self.window is not None and count > self.window:
            return self.onward(query, key, value, self.seen_from(0, count, query.device))
        return scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=self.scale, enable_gqa=True
        )

    def onward(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
        """Attend from the last tokens of a row to what each has `seen` of it."""
        key, value = (_widened(part, query.shape[1]) for part in (key, value))
        return scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=self.scale)

    def folded(self, query: Tensor, held: Tensor, added: Tensor | None = None) -> Tensor:
        """
        Attend from query heads that are folded onto the tokens of the head that serves them.

        `query` is `[rows, key-value heads, folded, dim]`, `held` `[2, rows, key-value heads,
        positions, dim]`. So no key is repeated, and a row's heads are one product of matrices.
        """
        return scaled_dot_product_attention(
            query, held[0], held[1], attn_mask=added, scale=self.scale
        )

    def spread(self, query: Tensor, held: Tensor, added: Tensor) -> Tensor:
        """
        Return what `folded` does, by plain products that write their scores down.

        A GPU's fused kernel gives all heads of a row to one of its processors, which goes through
        all positions alone; these it spreads over many.
        """
        scale = query.shape[3] ** -0.5 if self.scale is None else self.scale
        scores = torch.matmul(query, held[0].transpose(2, 3)).float() * scale
        return torch.matmul((scores + added).softmax(-1).to(query.dtype), held[1])

    def first(self, at: int) -> int:
        """Return the first position that a token `at` a position attends to."""
        return 0 if self.window is None else max(0, at + 1 - self.window)

    def seen_from(self, start: int, count: int, device: torch.device) -> Tensor:
        """Return what each of `count` tokens from position `start` on attends to."""
        at = torch.arange(start, start + count, device=device).unsqueeze(1)
        return self.seen(at, start + count)

    def seen(self, at: Tensor, total: int) -> Tensor:
        """Return which of `total` positions a token `at` a position attends to."""
        positions = torch.arange(total, device=at.device)
        seen = positions <= at
        if self.window is not None:
            seen &= positions > at - self.window
        return seen

    def added(self, at: Tensor, total: int, dtype: torch.dtype) -> Tensor:
        """Return the same as what is added to the scores: nothing, or minus infinity."""
        # A mask of truth values would be turned into this one by every layer.
        seen = self.seen(at, total)
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(
            ~seen, -torch.inf
        )


def _widened(part: Tensor, heads: int) -> Tensor:
    """Repeat key-value heads for the query heads they serve; a view where there is one."""
    _, own, total, dim = part.shape
    wide = part.unsqueeze(2).expand(1, own, heads // own, total, dim)
    return wide.reshape(1, heads, total, dim)
