"""
The keys and values of every slot: per layer one block `[2, slot, head, position, dim]`.

Contiguous, because with few key-value heads a position is small (20 KiB for all of StarChat's
layers) and a full thread is no burden. A slot's dead positions are never attended to, but they are
multiplied by zero, so they must stay finite: `wipe` a slot that may hold a NaN.
"""

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
        self._blocks: list[Tensor] = []
        self.rebuild()

    def rebuild(self) -> None:
        """Forget everything and start from fresh memory."""
        self._blocks = []
        self._blocks = [self._block(layer) for layer in self.layers]

    def layer(self, index: int) -> Tensor:
        """Return a layer's block; `[0]` are the keys, `[1]` the values."""
        return self._blocks[index]

    def wipe(self, slot: int, start: int = 0) -> None:
        """Make what a slot holds from a position on finite again."""
        for block in self._blocks:
            block[:, slot, :, start:].zero_()

    def _block(self, layer: Layer) -> Tensor:
        shape = (2, self.count, layer.heads, self.positions, layer.dim)
        if layer.device.type != "cpu":
            return torch.zeros(shape, dtype=layer.dtype, device=layer.device)
        # numpy's zeros are pages that the system gives on first use, so that memory grows with
        # the threads' real lengths although every slot has all its positions from the start.
        size = self.count * self.positions * layer.bytes
        return torch.from_numpy(np.zeros(size, np.uint8)).view(layer.dtype).view(shape)
