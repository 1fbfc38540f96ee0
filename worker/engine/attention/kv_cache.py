"""
The keys and values of every slot: per layer one block `[2, slot, head, position, dim]`.

Contiguous, because with few key-value heads a position is small (20 KiB for all of StarChat's
layers) and a full thread is no burden. A slot's dead positions are never attended to, but they are
multiplied by zero, so they must stay finite: `wipe` a slot that may hold a NaN.

Behind all slots each half of a block has one more row for each head, for keys and values that
nobody will look at.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """What one attention layer keeps of a position: `heads` keys and values of `dim` numbers."""

    num_kv_heads: int
    head_dim: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes_per_token(self) -> int:
        """Bytes of one position."""
        return 2 * self.num_kv_heads * self.head_dim * self.dtype.itemsize


class KVCache:
    """The blocks of all layers for `count` slots of `positions` each."""

    def __init__(self, layers: tuple[LayerSpec, ...], num_slots: int, max_positions: int) -> None:
        self.layers = layers
        self.num_slots = num_slots
        self.max_positions = max_positions
        self.num_reallocations = -1
        """How often all memory was given up for fresh memory at other addresses."""
        self._flat_views: list[Tensor] = []
        self._blocks: list[Tensor] = []
        self.reallocate()

    def reallocate(self) -> None:
        """Forget everything and start from fresh memory."""
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
        """Return a layer's block; `[0]` are the keys, `[1]` the values."""
        return self._blocks[index]

    def flat_view(self, index: int) -> Tensor:
        """
        Return the same memory as `[2, slot x head x position + head, dim]`.

        The last rows, one for each head, are for what nobody will look at.
        """
        return self._flat_views[index]

    def zero_slot(self, slot: int, start: int = 0) -> None:
        """Make what a slot holds from a position on finite again."""
        for block in self._blocks:
            block[:, slot, :, start:].zero_()

    @property
    def bytes_per_token(self) -> int:
        """Bytes of one position in all layers."""
        return sum(layer.bytes_per_token for layer in self.layers)

    def copy_prefix(self, source: int, slot: int, num_tokens: int) -> None:
        """Let a slot hold the first `count` positions of another one, too."""
        for block in self._blocks:
            block[:, slot, :, :num_tokens] = block[:, source, :, :num_tokens]

    def copy_to_host(self, slot: int, num_tokens: int) -> list[Tensor]:
        """Return a slot's first positions on the host: per layer `[2, head, count, dim]`."""
        return [_copy_to_pinned(block[:, slot, :, :num_tokens]) for block in self._blocks]

    def copy_from_host(self, slot: int, host_blocks: list[Tensor], num_tokens: int) -> None:
        """Let a slot hold the first `count` of what was lifted."""
        for block, host_block in zip(self._blocks, host_blocks, strict=True):
            block[:, slot, :, :num_tokens].copy_(host_block[:, :, :num_tokens], non_blocking=True)

    def _allocate_layer(self, layer: LayerSpec) -> Tensor:
        shape = (
            2,
            self.num_slots * layer.num_kv_heads * self.max_positions + layer.num_kv_heads,
            layer.head_dim,
        )
        if layer.device.type != "cpu":
            return torch.zeros(shape, dtype=layer.dtype, device=layer.device)
        # numpy's zeros are pages that the system gives on first use, so that memory grows with
        # the threads' real lengths although every slot has all its positions from the start.
        size = math.prod(shape) * layer.dtype.itemsize
        return torch.from_numpy(np.zeros(size, np.uint8)).view(layer.dtype).view(shape)


def _copy_to_pinned(block: Tensor) -> Tensor:
    """Copy to memory that a GPU can write by itself: the step does not wait for it."""
    on_device = block.device.type != "cpu"
    host = torch.empty(block.shape, dtype=block.dtype, pin_memory=on_device)
    return host.copy_(block, non_blocking=on_device)
