"""
Kernel batch: a step's attention on a CPU by the compiled kernel of `worker.engine.cpu_kernels`.

All requests of a step are one row of tokens. The kernel stores their keys and values in their
slots. Each token then attends to the KV in its slot, up to its own position.

Shapes: T tokens of the step, H query heads, H_kv key-value heads, D head size.
"""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Final

import torch
from torch import Tensor

from worker.engine.attention.batch import QKV
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.attention.sdpa import SDPA
from worker.engine.attention.step_tensors import StepTensors
from worker.engine.cpu_kernels.attention import (
    NO_WINDOW,
    AttentionCall,
    AttentionKernel,
    load_kernel,
)

MAX_SPAN: Final = 8
"""Tokens of a request that the kernel computes at once. It then reads their keys once."""
MAX_SPAN_QUERIES: Final = 96
"""The same by the query heads that share a key-value head; their scores should fit a cache."""
PROBE_START: Final = 21
PROBE_TOKENS: Final = 20
"""Tokens of a first and a second chunk with which the kernel is compared with SDPA."""
MAX_PROBE_ERROR: Final = {4: 1e-4, 2: 0.02}
"""Maximum relative error by bytes per number; a key too many or too few changes a hundredth."""


class KernelBatch:
    """
    Tokens of a step that attend by the kernel.

    `lengths`: the number of tokens of each request, in the row's order. `wanted` holds the tokens
    whose logits are wanted, if they are so few that the last layer should compute no others (see
    `last_layer`).
    """

    def __init__(
        self,
        kernel: AttentionKernel,
        kv_cache: KVCache,
        tensors: StepTensors,
        lengths: Sequence[int],
        wanted: "KernelBatch | None" = None,
    ) -> None:
        self.tensors, self.wanted = tensors, wanted
        self._kernel, self.kv_cache = kernel, kv_cache
        self._lengths = lengths
        self._spans: dict[int, Tensor] = {}
        self._call = AttentionCall(
            slots=tensors.slots.data_ptr(),
            positions=tensors.positions.data_ptr(),
            num_tokens=len(tensors.slots),
            num_slots=kv_cache.num_slots,
            max_positions=kv_cache.max_positions,
        )

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """Store the layer's keys and values, then attend. Returns `[1, T, H, D]`, padding as 0."""
        query = qkv[0]
        _, num_heads, num_tokens, dim = query.shape
        output = query.new_zeros(1, num_tokens, num_heads, dim)
        spans = self._find_spans(num_heads // qkv[1].shape[1])
        call = self._call
        call.output = output.data_ptr()
        call.spans, call.num_spans = spans.data_ptr(), len(spans)
        call.window = NO_WINDOW if sdpa.window is None else sdpa.window
        call.scale = dim**-0.5 if sdpa.scale is None else sdpa.scale
        self._call_kernel(layer_index, qkv)
        return output

    def store_kv(self, layer_index: int, qkv: QKV) -> None:
        """Store the layer's keys and values of all tokens in their slots."""
        self._call.num_spans = 0
        self._call_kernel(layer_index, qkv)

    def _find_spans(self, group: int) -> Tensor:
        """Return first token and number of tokens of each span, int64 `[spans, 2]`."""
        if group not in self._spans:
            most = max(1, min(MAX_SPAN, MAX_SPAN_QUERIES // group))
            spans = [
                (first, min(most, end - first))
                for length, end in zip(self._lengths, accumulate(self._lengths), strict=True)
                for first in range(end - length, end, most)
            ]
            self._spans[group] = torch.tensor(spans, dtype=torch.long)
        return self._spans[group]

    def _call_kernel(self, layer_index: int, qkv: QKV) -> None:
        flat = self.kv_cache.flat_view(layer_index)
        self._call.cache, self._call.half_stride = flat.data_ptr(), flat.stride(0)
        self._kernel.compute(self._call, *qkv)


@cache
def find_kernel(
    layers: tuple[LayerSpec, ...], load: Callable[[], AttentionKernel | None] = load_kernel
) -> AttentionKernel | None:
    """
    Return the kernel if all layers are on a CPU and it agrees with SDPA for each; else `None`.

    There is none if it is not built, or if a layer's heads have another size or number format.
    """
    if any(layer.device.type != "cpu" for layer in layers):
        return None
    kernel = load()
    if kernel is None or not all(_agrees_with_sdpa(kernel, layer) for layer in set(layers)):
        return None
    return kernel


def describe_attention(layers: tuple[LayerSpec, ...]) -> str:
    """Return the log line about a CPU's attention, or nothing for a GPU's."""
    if any(layer.device.type != "cpu" for layer in layers):
        return ""
    if find_kernel(layers):
        return "by the compiled kernel"
    return (
        "by torch, which is slower: the compiled kernel does not suit the model, or it is not "
        "built, as `python worker/engine/cpu_kernels/build.py` does with gcc"
    )


def _agrees_with_sdpa(kernel: AttentionKernel, layer: LayerSpec) -> bool:
    """Whether the kernel, if it supports a layer, returns what SDPA does for random numbers."""
    if not kernel.supports(layer.dtype, layer.head_dim):
        return False
    generator = torch.Generator().manual_seed(0)
    num_keys = PROBE_START + PROBE_TOKENS
    key, value = (
        torch.randn(1, layer.num_kv_heads, num_keys, layer.head_dim, generator=generator).to(
            layer.dtype
        )
        for _ in range(2)
    )
    query = torch.randn(
        1, 2 * layer.num_kv_heads, num_keys, layer.head_dim, generator=generator
    ).to(layer.dtype)
    sdpa = SDPA(None, None)
    expected = sdpa.attend_causal(query, key, value).transpose(1, 2).float()
    kv_cache = KVCache((layer,), 2, num_keys)
    parts = []
    for start, end in ((0, PROBE_START), (PROBE_START, num_keys)):
        empty, positions = torch.empty(0, dtype=torch.long), torch.arange(start, end)
        tensors = StepTensors(empty, positions, torch.ones_like(positions), *[empty] * 4)
        batch = KernelBatch(kernel, kv_cache, tensors, [end - start])
        span = slice(start, end)
        parts.append(batch.attend(0, sdpa, (query[:, :, span], key[:, :, span], value[:, :, span])))
    error = torch.cat(parts, 1).float() - expected
    return bool(error.norm() < MAX_PROBE_ERROR[layer.dtype.itemsize] * expected.norm())
