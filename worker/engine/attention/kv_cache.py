"""
KV cache: the keys and values of every slot, one tensor `[2, slots, H_kv, positions, D]` per layer.

Slots are contiguous instead of paged: with few key-value heads one token is small (20 KiB in all
layers of StarChat). Unused positions are never attended to, but masked attention multiplies them
by zero. They must therefore stay finite: `zero_slot` a slot that may hold a NaN.

Each half of a tensor ends with H_kv extra rows, which take the keys and values of padding tokens.

Shapes: H_kv key-value heads, D head size, T tokens.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from worker.engine.attention.host_arena import HostArena, HostPages
from worker.engine.attention.layer_spec import LayerSpec


class KVCache:
    """Keys and values of all layers, for `num_slots` slots of `max_positions` tokens each."""

    def __init__(self, layers: tuple[LayerSpec, ...], num_slots: int, max_positions: int) -> None:
        self.layers = layers
        self.num_slots = num_slots
        self.max_positions = max_positions
        self.num_reallocations = -1
        """Number of times that the memory moved to other addresses."""
        self._flat_views: list[Tensor] = []
        self._blocks: list[Tensor] = []
        self._host_arena = HostArena(layers)
        self.reallocate()

    def reallocate(self) -> None:
        """Replace all memory by zeroed memory, after an error may have corrupted it."""
        self.num_reallocations += 1
        self._blocks, self._flat_views = [], []
        self._flat_views = [self._allocate_layer(layer) for layer in self.layers]
        self._blocks = [
            flat[:, : -layer.num_kv_heads].view(
                2, self.num_slots, layer.num_kv_heads, self.max_positions, layer.head_dim
            )
            for layer, flat in zip(self.layers, self._flat_views, strict=True)
        ]

    def layer_view(self, index: int) -> Tensor:
        """Return a layer's `[2, slots, H_kv, positions, D]`: keys first, then values."""
        return self._blocks[index]

    def flat_view(self, index: int) -> Tensor:
        """
        Return the same memory as `[2, slots * H_kv * positions + H_kv, D]`.

        The last H_kv rows take the keys and values of padding tokens.
        """
        return self._flat_views[index]

    def token_view(self, index: int) -> Tensor:
        """
        Return the same memory as `[2, rows, H_kv, D]`, as variable-length attention reads it.

        Position p of a slot is row `slot * H_kv * positions + p`. The heads of a row lie
        `positions * D` numbers apart, so the view overlaps itself: only read it.
        """
        flat, layer = self._flat_views[index], self.layers[index]
        heads, dim = layer.num_kv_heads, layer.head_dim
        num_rows = flat.shape[1] - (heads - 1) * self.max_positions
        return flat.as_strided(
            (2, num_rows, heads, dim), (flat.stride(0), dim, self.max_positions * dim, 1)
        )

    def zero_slot(self, slot: int, start: int = 0) -> None:
        """Zero a slot's KV from position `start` on."""
        for block in self._blocks:
            block[:, slot, :, start:].zero_()

    def is_finite(self, slot: int, num_tokens: int) -> bool:
        """Whether the KV of a slot's first tokens holds numbers only: no NaN, no infinity."""
        with torch.inference_mode():
            # A sum needs no memory for a mask. If it overflows, a usable prefix is lost, no more.
            sums = [
                block[:, slot, :, :num_tokens].sum(dtype=torch.float32) for block in self._blocks
            ]
            return bool(torch.stack(sums).isfinite().all())

    def zero_slots(self) -> None:
        """Zero all slots; on a CPU this takes their memory from the system."""
        for block in self._blocks:
            block.zero_()

    def fill_with_noise(self) -> None:
        """Fill all slots with random numbers, so that a read of the wrong place is seen."""
        for block in self._blocks:
            block.normal_()

    def copy_prefix(self, source: int, slot: int, num_tokens: int) -> None:
        """Copy the first `num_tokens` tokens of slot `source` to `slot`."""
        for block in self._blocks:
            block[:, slot, :, :num_tokens] = block[:, source, :, :num_tokens]

    def count_host_bytes(self, num_tokens: int) -> int:
        """Return the host memory that `copy_to_host` takes for this many tokens, in bytes."""
        return self._host_arena.count_bytes(num_tokens)

    def copy_to_host(self, slot: int, num_tokens: int) -> HostPages:
        """Return the pages of host memory to which a slot's first tokens are copied."""
        return self._host_arena.store_blocks(self._list_blocks(slot, num_tokens))

    def copy_from_host(self, slot: int, pages: HostPages, num_tokens: int) -> None:
        """Write a slot's first `num_tokens` tokens from what `copy_to_host` returned."""
        self._host_arena.load_blocks(pages, self._list_blocks(slot, num_tokens))

    def erase_host_pages(self, erased: Sequence[HostPages]) -> None:
        """Zero these pages of host memory, and all that nothing uses."""
        self._host_arena.erase_pages(erased)

    def _list_blocks(self, slot: int, num_tokens: int) -> list[Tensor]:
        """Return a slot's first T tokens: `[2, H_kv, T, D]` per layer."""
        return [block[:, slot, :, :num_tokens] for block in self._blocks]

    def _allocate_layer(self, layer: LayerSpec) -> Tensor:
        shape = (
            2,
            self.num_slots * layer.num_kv_heads * self.max_positions + layer.num_kv_heads,
            layer.head_dim,
        )
        if layer.device.type != "cpu":
            return torch.zeros(shape, dtype=layer.dtype, device=layer.device)
        # The system backs numpy's zeros with pages on first use. Memory thus grows with the real
        # lengths, although every slot has all its positions from the start.
        size = math.prod(shape) * layer.dtype.itemsize
        return torch.from_numpy(np.zeros(size, np.uint8)).view(layer.dtype).view(shape)
