"""KV shape of an attention layer."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """KV shape of one attention layer."""

    num_kv_heads: int
    head_dim: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes_per_token(self) -> int:
        """KV bytes of one token in this layer."""
        return 2 * self.num_kv_heads * self.head_dim * self.dtype.itemsize
