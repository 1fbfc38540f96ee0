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

from worker.engine.attention.sdpa import SDPA

TOLERANCE: Final = 0.02
"""The most that a result may differ, as a share of its size; bfloat16 itself is off by 0.004."""


class FlashVarlen:
    """
    Reads chunks by `varlen`, which has the signature of `torch.nn.attention.varlen.varlen_attn`.

    `tell` hears once for each kind of layer whether it is used.
    """

    def __init__(self, varlen_attn: Callable[..., Any], log: Callable[[str], None]) -> None:
        self._varlen_attn = varlen_attn
        self._log = log
        self._is_verified: dict[tuple[SDPA, int, int], bool] = {}

    def __call__(self, sdpa: SDPA, query: Tensor, kv: Tensor, cu_seqlens: Tensor) -> Tensor | None:
        """
        Attend from the last tokens of a slot to all that it holds; `None` where it must not be.

        `query` is `[1, heads, tokens, dim]`, `held` `[2, 1, key-value heads, positions, dim]`,
        `bounds` int32 `[2, 2]`: 0 and the number of tokens, 0 and that of positions. Returns
        `[tokens, heads, dim]`.
        """
        kind = (sdpa, query.shape[1], kv.shape[2])
        if kind not in self._is_verified:
            mismatch = self._find_mismatch(sdpa, query, kv, cu_seqlens)
            self._is_verified[kind] = mismatch is None
            self._log(
                f"chunks of prompts are read by {f'SDPA: {mismatch}' if mismatch else 'varlen_attn'}"
            )
        return self._run_kernel(sdpa, query, kv, cu_seqlens) if self._is_verified[kind] else None

    def _run_kernel(self, sdpa: SDPA, query: Tensor, kv: Tensor, cu_seqlens: Tensor) -> Tensor:
        keys, values = kv[:, 0].transpose(1, 2)
        # A window of torch's counts the positions before a token's own.
        window_left = -1 if sdpa.window is None else sdpa.window - 1
        output: Tensor = self._varlen_attn(
            query[0].transpose(0, 1),
            keys,
            values,
            cu_seqlens[0],
            cu_seqlens[1],
            query.shape[2],
            kv.shape[3],
            scale=sdpa.scale,
            window_size=(window_left, 0),
            enable_gqa=True,
        )
        return output

    def _find_mismatch(
        self, sdpa: SDPA, query: Tensor, kv: Tensor, cu_seqlens: Tensor
    ) -> str | None:
        """Return what is wrong with the result for these tensors, or nothing."""
        num_tokens = query.shape[2]
        mask = sdpa.visible_from(kv.shape[3] - num_tokens, num_tokens, query.device)
        expected = sdpa.attend_with_mask(query, kv[0], kv[1], mask)[0].transpose(0, 1).float()
        try:
            output = self._run_kernel(sdpa, query, kv, cu_seqlens).float()
            relative_error = float((output - expected).norm() / expected.norm())
        # Kernels refuse in whatever way they like.
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return None if relative_error < TOLERANCE else f"it is off by {relative_error:.2g}"


def load_flash_varlen(log: Callable[[str], None]) -> FlashVarlen | None:
    """Return what reads chunks by torch's flash kernels; `None` for a torch without them."""
    try:
        return FlashVarlen(import_module("torch.nn.attention.varlen").varlen_attn, log)
    except (ImportError, AttributeError):
        log(f"chunks of prompts are read by SDPA: torch {torch.__version__} has no varlen_attn")
        return None
