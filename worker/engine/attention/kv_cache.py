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
class Layer:
    """What one attention layer keeps of a position: `heads` keys and values of `dim` numbers."""

    heads: int
    dim: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes(self) -> int:
        """Bytes of one position."""
        return 2 * self.heads * self.dim * self.dtype.itemsize


class Slots:
    """The blocks of all layers for `count` slots of `positions` each."""

    def __init__(self, layers: tuple[Layer, ...], count: int, positions: int) -> None:
        self.layers = layers
        self.count = count
        self.positions = positions
        self.rebuilt = -1
        """How often all memory was given up for fresh memory at other addresses."""
        self._flat: list[Tensor] = []
        self._blocks: list[Tensor] = []
        self.rebuild()

    def rebuild(self) -> None:
        """Forget everything and start from fresh memory."""
        self.rebuilt += 1
        self._blocks, self._flat = [], []
        self._flat = [self._zeros(layer) for layer in self.layers]
        self._blocks = [
            flat[:, : -layer.heads].view(2, self.count, layer.heads, self.positions, layer.dim)
            for layer, flat in zip(self.layers, self._flat, strict=True)
        ]

    def layer(self, index: int) -> Tensor:
        """Return a layer's block; `[0]` are the keys, `[1]` the values."""
        return self._blocks[index]

    def flat(self, index: int) -> Tensor:
        """
        Return the same memory as `[2, slot x head x position + head, dim]`.

        The last rows, one for each head, are for what nobody will look at.
        """
        return self._flat[index]

    def wipe(self, slot: int, start: int = 0) -> None:
        """Make what a slot holds from a position on finite again."""
        for block in self._blocks:
            block[:, slot, :, start:].zero_()

    @property
    def position_bytes(self) -> int:
        """Bytes of one position in all layers."""
        return sum(layer.bytes for layer in self.layers)

    def copy(self, source: int, slot: int, count: int) -> None:
        """Let a slot hold the first `count` positions of another one, too."""
        for block in self._blocks:
            block[:, slot, :, :count] = block[:, source, :, :count]

    def lift(self, slot: int, count: int) -> list[Tensor]:
        """Return a slot's first positions on the host: per layer `[2, head, count, dim]`."""
        return [_on_host(block[:, slot, :, :count]) for block in self._blocks]

    def lay(self, slot: int, lifted: list[Tensor], count: int) -> None:
        """Let a slot hold the first `count` of what was lifted."""
        for block, held in zip(self._blocks, lifted, strict=True):
            block[:, slot, :, :count].copy_(held[:, :, :count], non_blocking=True)

    def _zeros(self, layer: Layer) -> Tensor:
        shape = (2, self.count * layer.heads * self.positions + layer.heads, layer.dim)
        if layer.device.type != "cpu":
            return torch.zeros(shape, dtype=layer.dtype, device=layer.device)
        # numpy's zeros are pages that the system gives on first use, so that memory grows with
        # the threads' real lengths although every slot has all its positions from the start.
        size = math.prod(shape) * layer.dtype.itemsize
        return torch.from_numpy(np.zeros(size, np.uint8)).view(layer.dtype).view(shape)


def _on_host(block: Tensor) -> Tensor:
    """Copy to memory that a GPU can write by itself: the step does not wait for it."""
    away = block.device.type != "cpu"
    host = torch.empty(block.shape, dtype=block.dtype, pin_memory=away)
    return host.copy_(block, non_blocking=away)
