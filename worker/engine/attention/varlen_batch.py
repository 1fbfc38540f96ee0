"""
Varlen batch: all sequences of a step in one attention call, decodes and prefill chunks alike.

`torch.nn.attention.varlen` attends to keys in place, over any slots, and reads only as many as each
sequence has. It aligns a sequence's last token with its last position, so it needs no mask. Where
it splits the keys of a decode over the GPU is its own choice.

Without that kernel each token gathers the keys of its slot: right for any step, but cheap enough
only for decodes.

No shape and no branch depends on the tensors' contents, and nothing waits for the device. A step
may therefore be captured in a CUDA graph. Padding tokens store their keys in the extra rows behind
all slots (see `KVCache.flat_view`), so the cached prefixes of idle slots survive.

Shapes: T tokens, Q sequences, S key positions, H query heads, H_kv key-value heads, D head size,
G = H / H_kv.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from importlib import import_module

import torch
from torch import Tensor

from worker.engine.attention.batch import QKV
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.sdpa import SDPA
from worker.engine.attention.step_shape import StepShape
from worker.engine.attention.step_tensors import StepTensors

VarlenAttention = Callable[..., Tensor]
"""`torch.nn.attention.varlen.varlen_attn`, or a function with its arguments."""


def load_varlen_attn() -> VarlenAttention | None:
    """Return torch's variable-length attention, or `None` if this version of torch lacks it."""
    try:
        function: VarlenAttention = import_module("torch.nn.attention.varlen").varlen_attn
    except (ImportError, AttributeError):
        return None
    return function


@dataclass(frozen=True, slots=True)
class VarlenBatch:
    """A step's tokens and sequences. Without `varlen_attn` each token gathers its keys."""

    kv_cache: KVCache
    shape: StepShape
    tensors: StepTensors
    varlen_attn: VarlenAttention | None
    _cache: dict[Hashable, Tensor] = field(default_factory=dict, init=False, repr=False)

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """Store the layer's keys and values, then attend. Returns `[1, T, H, D]`."""
        query, key, value = qkv
        heads, dim = key.shape[1], key.shape[3]
        flat_kv, slot_mapping = self.kv_cache.flat_view(layer_index), self._slot_mapping(heads)
        flat_kv[0].index_copy_(0, slot_mapping, key[0].reshape(-1, dim))
        flat_kv[1].index_copy_(0, slot_mapping, value[0].reshape(-1, dim))
        query_by_token = query[0].transpose(0, 1)
        if self.varlen_attn is None:
            return self._attend_by_gather(layer_index, sdpa, query_by_token).unsqueeze(0)
        keys, values = self.kv_cache.token_view(layer_index)
        return self.varlen_attn(
            query_by_token,
            keys,
            values,
            self._as_int32("query_starts", self.tensors.query_starts),
            self._key_starts(heads),
            self.shape.max_query_length,
            self.shape.kv_length,
            scale=sdpa.scale,
            window_size=self._window_size(sdpa),
            enable_gqa=True,
            seqused_k=self._as_int32("kv_lengths", self.tensors.kv_lengths),
        ).unsqueeze(0)

    def _window_size(self, sdpa: SDPA) -> tuple[int, int]:
        """Return how many positions a token sees before and after its own; -1 means all."""
        if sdpa.window is not None:
            return sdpa.window - 1, 0
        # One token is its sequence's last one: nothing follows it. The kernel of FlashAttention 2
        # splits the keys of decodes over the GPU only if no side is bounded.
        return (-1, -1) if self.shape.max_query_length == 1 else (-1, 0)

    def _attend_by_gather(self, layer_index: int, sdpa: SDPA, query: Tensor) -> Tensor:
        """Attend from each token to a copy of its slot's keys. `query`, result: `[T, H, D]`."""
        kv = self.kv_cache.layer_view(layer_index)[:, :, :, : self.shape.kv_length].index_select(
            1, self._memoize_tensor("gather", lambda: self.tensors.slots.clamp(min=0))
        )
        mask = self._memoize_tensor(
            ("mask", sdpa.window, query.dtype),
            lambda: sdpa.additive_mask(
                self.tensors.positions.view(-1, 1, 1, 1), self.shape.kv_length, query.dtype
            ),
        )
        grouped_query = query.reshape(len(query), kv.shape[2], -1, query.shape[2])
        return sdpa.attend_grouped_query(grouped_query, kv, mask).reshape(query.shape)

    def _slot_mapping(self, num_kv_heads: int) -> Tensor:
        """Return the storage rows of the keys, int64 `[H_kv * T]`, in `KVCache.flat_view`."""

        def compute_mapping() -> Tensor:
            slots, positions = self.tensors.slots, self.tensors.positions
            of_heads = torch.arange(num_kv_heads, device=slots.device).unsqueeze(1)
            slot_rows = (slots * num_kv_heads + of_heads) * self.kv_cache.max_positions + positions
            padding_rows = (
                self.kv_cache.num_slots * num_kv_heads * self.kv_cache.max_positions + of_heads
            )
            return torch.where(slots < 0, padding_rows, slot_rows).flatten()

        return self._memoize_tensor(("slot_mapping", num_kv_heads), compute_mapping)

    def _key_starts(self, num_kv_heads: int) -> Tensor:
        """Return the first row of each sequence's keys in `KVCache.token_view`, int32 `[Q + 1]`."""
        slot_rows = num_kv_heads * self.kv_cache.max_positions
        return self._as_int32(
            ("key_starts", num_kv_heads), lambda: self.tensors.sequence_slots * slot_rows
        )

    def _as_int32(self, key: Hashable, numbers: Tensor | Callable[[], Tensor]) -> Tensor:
        def convert() -> Tensor:
            return (numbers if isinstance(numbers, Tensor) else numbers()).to(torch.int32)

        return self._memoize_tensor(key, convert)

    def _memoize_tensor(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return a tensor that all layers of a step share; the first layer creates it."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]
