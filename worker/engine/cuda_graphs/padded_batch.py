"""
The tokens of a step whose shape is fixed: tensors that are filled anew, nothing else that changes.

No shape and no branch here depends on what is in the tensors, and nothing waits for the device, so
all of it can be recorded. Padding attends to the first position of some slot and leaves its key in
a row behind all slots (see `Slots.flat`): whatever idle slots keep of their threads stays.
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
    Where each row of a bucket belongs: int64 `[rows]` each, lane after lane.

    `at` are the tokens' positions, `owners` their slots, below 0 for padding. With `spread`, few
    rows with long pasts use all of a GPU.
    """

    kv_cache: KVCache
    shape: GraphShape
    positions: Tensor
    slot_ids: Tensor
    unfused: bool = False
    _cache: dict[Hashable, Tensor] = field(default_factory=dict, init=False, repr=False)

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """Store keys and values of layer `index` and attend; returns `[1, rows, heads, dim]`."""
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
        """Return where the keys of the rows go, `[heads x rows]` with the heads first."""

        def compute_mapping() -> Tensor:
            of_heads = torch.arange(num_kv_heads, device=self.positions.device).unsqueeze(1)
            slot_rows = (
                self.slot_ids * num_kv_heads + of_heads
            ) * self.kv_cache.max_positions + self.positions
            padding_rows = (
                self.kv_cache.num_slots * num_kv_heads * self.kv_cache.max_positions + of_heads
            )
            return torch.where(self.slot_ids < 0, padding_rows, slot_rows).flatten()

        return self._memoize_tensor(("places", num_kv_heads), compute_mapping)

    def _gather_slots(self) -> Tensor:
        """Return the slot of each lane; a lane of padding takes the first one."""
        return self._memoize_tensor(
            "gathered",
            lambda: self.slot_ids.view(-1, self.shape.tokens_per_request)[:, 0].clamp(min=0),
        )

    def _additive_mask(self, sdpa: SDPA, query_group_size: int, dtype: torch.dtype) -> Tensor:
        """Return the mask for `served` query heads at each key-value head."""
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

        return self._memoize_tensor(("added", sdpa.window, query_group_size, dtype), build_mask)

    def _memoize_tensor(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return what is the same in all layers of a step; the first one makes it."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]
