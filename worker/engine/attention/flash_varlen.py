"""
Flash attention for prefill chunks: torch's `varlen_attn`, on a GPU that supports it.

SDPA needs a mask for a chunk behind the start of its prompt, and loses its fast kernel to it.
`varlen_attn` needs none: it aligns the chunk's last token with the last position. The function is
new and varies with torch version, GPU and dtype. Its first result for each layer kind is therefore
compared with SDPA's.

Shapes: T tokens of the chunk, S key positions, H query heads, H_kv key-value heads, D head size.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import torch
from torch import Tensor

from worker.engine.attention.sdpa import SDPA

TOLERANCE: Final = 0.02
"""Maximum relative error of a result; rounding to bfloat16 alone causes 0.004."""


class FlashVarlen:
    """
    Prefill attention by `varlen_attn`, as `torch.nn.attention.varlen` defines it.

    `log` receives one line per layer kind that says whether it is used.
    """

    def __init__(self, varlen_attn: Callable[..., Any], log: Callable[[str], None]) -> None:
        self._varlen_attn = varlen_attn
        self._log = log
        self._is_verified: dict[tuple[SDPA, int, int], bool] = {}

    def __call__(self, sdpa: SDPA, query: Tensor, kv: Tensor, cu_seqlens: Tensor) -> Tensor | None:
        """
        Attend from a slot's last T tokens to its S positions. Returns `[T, H, D]` or `None`.

        `query`: `[1, H, T, D]`; `kv`: `[2, 1, H_kv, S, D]`; `cu_seqlens`: int32 `[[0, T], [0, S]]`.
        Returns `None` if the kernel failed its comparison for this layer kind.
        """
        kind = (sdpa, query.shape[1], kv.shape[2])
        if kind not in self._is_verified:
            mismatch = self._find_mismatch(sdpa, query, kv, cu_seqlens)
            self._is_verified[kind] = mismatch is None
            self._log(f"prefill uses {f'SDPA: {mismatch}' if mismatch else 'varlen_attn'}")
        return self._run_kernel(sdpa, query, kv, cu_seqlens) if self._is_verified[kind] else None

    def _run_kernel(self, sdpa: SDPA, query: Tensor, kv: Tensor, cu_seqlens: Tensor) -> Tensor:
        keys, values = kv[:, 0].transpose(1, 2)
        # torch's window counts the positions before a token's own.
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
        """Return why the kernel's result can't be used, or `None` if it matches SDPA's."""
        num_tokens = query.shape[2]
        mask = sdpa.visible_from(kv.shape[3] - num_tokens, num_tokens, query.device)
        expected = sdpa.attend_with_mask(query, kv[0], kv[1], mask)[0].transpose(0, 1).float()
        try:
            output = self._run_kernel(sdpa, query, kv, cu_seqlens).float()
            relative_error = float((output - expected).norm() / expected.norm())
        # Kernels refuse with errors of any class.
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return None if relative_error < TOLERANCE else f"relative error {relative_error:.2g}"


def load_flash_varlen(log: Callable[[str], None]) -> FlashVarlen | None:
    """Return torch's flash attention, or `None` if this torch has no `varlen_attn`."""
    try:
        return FlashVarlen(import_module("torch.nn.attention.varlen").varlen_attn, log)
    except (ImportError, AttributeError):
        log(f"prefill uses SDPA: torch {torch.__version__} has no varlen_attn")
        return None
