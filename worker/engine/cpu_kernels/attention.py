"""
The compiled attention over a KV cache on a CPU (`attention.c`).

Shapes: T tokens of a step, H query heads, H_kv key-value heads, D head size.
"""

import ctypes
from collections.abc import Callable
from ctypes import c_float, c_int64, c_void_p
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from worker.engine.cpu_kernels.build import find_library

HEAD_DIM_MULTIPLE: Final = 16
"""The size of a head must be a multiple of this, the most numbers that are computed at once."""
NO_WINDOW: Final = 2**62
"""`window` of a layer whose attention does not slide."""
ERRORS: Final = {1: "a token lies outside of the KV cache", 2: "there is no memory"}
"""What the results of the kernel mean; 0 is success."""


class AttentionCall(ctypes.Structure):
    """Arguments of the kernel, in the order of `Call` in `attention.c`; strides count numbers."""

    _fields_ = (
        *((name, c_void_p) for name in ("query", "key", "value", "cache", "output")),
        *((name, c_void_p) for name in ("slots", "positions", "spans")),
        *((name, c_int64) for name in ("query_stride", "query_head_stride")),
        *((name, c_int64) for name in ("key_stride", "key_head_stride")),
        *((name, c_int64) for name in ("value_stride", "value_head_stride", "half_stride")),
        *((name, c_int64) for name in ("num_tokens", "num_spans", "num_heads", "num_kv_heads")),
        *((name, c_int64) for name in ("head_dim", "num_slots", "max_positions", "window")),
        ("scale", c_float),
    )


class AttentionKernel:
    """The kernel's functions by number format."""

    def __init__(self, functions: dict[torch.dtype, Callable[[Any], int]]) -> None:
        self._functions = functions

    def supports(self, dtype: torch.dtype, head_dim: int) -> bool:
        """Whether the kernel attends to heads of this size in this number format."""
        return dtype in self._functions and head_dim % HEAD_DIM_MULTIPLE == 0

    def compute(self, call: AttentionCall, query: Tensor, key: Tensor, value: Tensor) -> None:
        """
        Store the keys and values of T tokens in the cache, then attend from the call's spans.

        `query`: `[1, H, T, D]`; `key`, `value`: `[1, H_kv, T, D]`. Raises `RuntimeError` if a token
        lies outside of the cache.
        """
        query, key, value = (_make_dense(heads) for heads in (query, key, value))
        call.query, call.key, call.value = query.data_ptr(), key.data_ptr(), value.data_ptr()
        _, call.query_head_stride, call.query_stride, _ = query.stride()
        _, call.key_head_stride, call.key_stride, _ = key.stride()
        _, call.value_head_stride, call.value_stride, _ = value.stride()
        _, call.num_heads, _, call.head_dim = query.shape
        call.num_kv_heads = key.shape[1]
        status = self._functions[query.dtype](ctypes.byref(call))
        if status:
            raise RuntimeError(f"the attention kernel failed: {ERRORS[status]}")


def load_kernel() -> AttentionKernel | None:
    """Return the kernel for this processor, or `None` if it isn't built."""
    try:
        _share_openmp()
        library = ctypes.CDLL(str(find_library(torch.backends.cpu.get_cpu_capability())))
    except OSError:
        return None
    return AttentionKernel(
        {torch.float32: library.attend_float, torch.bfloat16: library.attend_bfloat16}
    )


def _make_dense(heads: Tensor) -> Tensor:
    """Return a tensor in which the numbers of each head are contiguous."""
    return heads if heads.stride(-1) == 1 else heads.contiguous()


def _share_openmp() -> None:
    """Let the kernel find the OpenMP library that torch has loaded: they share its threads."""
    packages = Path(torch.__file__).parents[1]
    for directory in (packages / "torch" / "lib", packages / "torch.libs"):
        for library in directory.glob("libgomp*"):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
