"""
Padded batch: the tokens of a decode step with a fixed shape, for capture in a CUDA graph.

No shape and no branch depends on the tensors' contents, and nothing waits for the device.
Padding tokens attend to the first position of some slot. Their keys go to the extra rows behind
all slots (see `KVCache.flat_view`), so the cached prefixes of idle slots survive.

Shapes: R requests, W tokens per request, N = R * W rows, S key positions, H query heads,
H_kv key-value heads, D head size, G = H / H_kv.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from worker.engine.attention.batch import QKV
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.sdpa import SDPA
from worker.engine.cuda_graphs.shapes import GraphShape


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """
    Slots and positions of a graph shape's rows, request by request.

    `positions`: int64 `[N]`. `slot_ids`: int64 `[N]`, negative for padding. `unfused` selects
    `SDPA.attend_without_fusion`, which suits few requests with long contexts.
    """

    kv_cache: KVCache
    shape: GraphShape
    positions: Tensor
    slot_ids: Tensor
    unfused: bool = False
    _cache: dict[Hashable, Tensor] = field(default_factory=dict, init=False, repr=False)

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """Store the layer's keys and values, then attend. Returns `[1, N, H, D]`."""
        query, key, value = qkv
        heads, dim = key.shape[1], key.shape[3]
        flat_kv, slot_mapping = self.kv_cache.flat_view(layer_index), self._slot_mapping(heads)
        flat_kv[0].index_copy_(0, slot_mapping, key[0].reshape(-1, dim))
        flat_kv[1].index_copy_(0, slot_mapping, value[0].reshape(-1, dim))
        kv = self.kv_cache.layer_view(layer_index)[:, :, :, : self.shape.kv_length]
        if not self.shape.all_slots:
            kv = kv.index_select(1, self._gather_slots())
        num_requests, tokens_per_request = self.shape.num_requests, self.shape.tokens_per_request
        query_by_request = (
            query[0].reshape(-1, num_requests, tokens_per_request, dim).transpose(0, 1)
        )
        grouped_query = query_by_request.reshape(num_requests, heads, -1, dim)
        mask = self._additive_mask(
            sdpa, grouped_query.shape[2] // tokens_per_request, grouped_query.dtype
        )
        attend_variant = sdpa.attend_without_fusion if self.unfused else sdpa.attend_grouped_query
        output = attend_variant(grouped_query, kv, mask).reshape(query_by_request.shape)
        return output.transpose(1, 2).reshape(1, self.shape.num_rows, -1, dim)

    def _slot_mapping(self, num_kv_heads: int) -> Tensor:
        """Return the storage rows of the keys, int64 `[H_kv * N]`, in `KVCache.flat_view`."""

        def compute_mapping() -> Tensor:
            of_heads = torch.arange(num_kv_heads, device=self.positions.device).unsqueeze(1)
            slot_rows = (
                self.slot_ids * num_kv_heads + of_heads
            ) * self.kv_cache.max_positions + self.positions
            padding_rows = (
                self.kv_cache.num_slots * num_kv_heads * self.kv_cache.max_positions + of_heads
            )
            return torch.where(self.slot_ids < 0, padding_rows, slot_rows).flatten()

        return self._memoize_tensor(("slot_mapping", num_kv_heads), compute_mapping)

    def _gather_slots(self) -> Tensor:
        """Return the slot of each request, int64 `[R]`; padding takes slot 0."""
        return self._memoize_tensor(
            "slots",
            lambda: self.slot_ids.view(-1, self.shape.tokens_per_request)[:, 0].clamp(min=0),
        )

    def _additive_mask(self, sdpa: SDPA, query_group_size: int, dtype: torch.dtype) -> Tensor:
        """Return the additive mask, broadcastable to `[R, H_kv, G * W, S]`."""
        num_requests, tokens_per_request, kv_length = (
            self.shape.num_requests,
            self.shape.tokens_per_request,
            self.shape.kv_length,
        )

        def build_mask() -> Tensor:
            mask = sdpa.additive_mask(
                self.positions.view(num_requests, 1, 1, tokens_per_request, 1), kv_length, dtype
            )
            if tokens_per_request == 1:
                return mask.view(num_requests, 1, 1, kv_length)
            return mask.expand(-1, -1, query_group_size, -1, -1).reshape(
                num_requests, 1, -1, kv_length
            )

        return self._memoize_tensor(("mask", sdpa.window, query_group_size, dtype), build_mask)

    def _memoize_tensor(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return a tensor that all layers of a step share; the first layer creates it."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]
