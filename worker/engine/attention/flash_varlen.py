"""
A chunk of a prompt by torch's own flash kernels, on a GPU that has them and where they are right.

Behind a prompt's beginning torch's general attention wants a mask as large as the chunk times all
before it, and gives up its fast kernel for it. `varlen_attn` needs none: it lines the last token
of the chunk up with the last position. It is new and differs by torch, card and number format, so
for each kind of layer its first result is held against the general one.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import torch
from torch import Tensor

from worker.engine.attention.sdpa import Look

CLOSE: Final = 0.02
"""The most that a result may differ, as a share of its size; bfloat16 itself is off by 0.004."""


class Varlen:
    """
    Reads chunks by `varlen`, which has the signature of `torch.nn.attention.varlen.varlen_attn`.

    `tell` hears once for each kind of layer whether it is used.
    """

    def __init__(self, varlen: Callable[..., Any], tell: Callable[[str], None]) -> None:
        self._varlen = varlen
        self._tell = tell
        self._right: dict[tuple[Look, int, int], bool] = {}

    def __call__(self, look: Look, query: Tensor, held: Tensor, bounds: Tensor) -> Tensor | None:
        """
        Attend from the last tokens of a slot to all that it holds; `None` where it must not be.

        `query` is `[1, heads, tokens, dim]`, `held` `[2, 1, key-value heads, positions, dim]`,
        `bounds` int32 `[2, 2]`: 0 and the number of tokens, 0 and that of positions. Returns
        `[tokens, heads, dim]`.
        """
        kind = (look, query.shape[1], held.shape[2])
        if kind not in self._right:
            why = self._wrong(look, query, held, bounds)
            self._right[kind] = why is None
            self._tell(f"chunks of prompts are read by {f'SDPA: {why}' if why else 'varlen_attn'}")
        return self._attend(look, query, held, bounds) if self._right[kind] else None

    def _attend(self, look: Look, query: Tensor, held: Tensor, bounds: Tensor) -> Tensor:
        keys, values = held[:, 0].transpose(1, 2)
        # A window of torch's counts the positions before a token's own.
        before = -1 if look.window is None else look.window - 1
        found: Tensor = self._varlen(
            query[0].transpose(0, 1),
            keys,
            values,
            bounds[0],
            bounds[1],
            query.shape[2],
            held.shape[3],
            scale=look.scale,
            window_size=(before, 0),
            enable_gqa=True,
        )
        return found

    def _wrong(self, look: Look, query: Tensor, held: Tensor, bounds: Tensor) -> str | None:
        """Return what is wrong with the result for these tensors, or nothing."""
        count = query.shape[2]
        seen = look.seen_from(held.shape[3] - count, count, query.device)
        expected = look.onward(query, held[0], held[1], seen)[0].transpose(0, 1).float()
        try:
            found = self._attend(look, query, held, bounds).float()
            off = float((found - expected).norm() / expected.norm())
        # Kernels refuse in whatever way they like.
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return None if off < CLOSE else f"it is off by {off:.2g}"


def varlen(tell: Callable[[str], None]) -> Varlen | None:
    """Return what reads chunks by torch's flash kernels; `None` for a torch without them."""
    try:
        return Varlen(import_module("torch.nn.attention.varlen").varlen_attn, tell)
    except (ImportError, AttributeError):
        tell(f"chunks of prompts are read by SDPA: torch {torch.__version__} has no varlen_attn")
        return None
