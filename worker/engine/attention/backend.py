"""
Attention backend for transformers: stock model code attends over the engine's KV cache.

transformers passes the keyword `packed` through to `slot_attention` and builds no mask for it. The
batch in `packed` knows the slot and the position of each token.

Shapes: T tokens, H query heads, H_kv key-value heads, D head size.
"""

from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from worker.engine.attention.batch import QKV
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.attention.sdpa import SDPA

BACKEND_NAME: Final = "starchat_slots"

SUPPORTED_OPTIONS: Final = frozenset({
    "packed", "scaling", "sliding_window",
    # No effect here: evaluation has no dropout, and `packed` knows the positions.
    "dropout", "is_causal", "output_attentions", "position_ids", "use_cache", "cache_position",
})  # fmt: skip
"""Options that a layer may pass to its attention."""


class UnsupportedOptionError(Exception):
    """A layer passes an option that this attention doesn't implement. The message is its name."""


class AttentionBatch(Protocol):
    """Tokens of one step: a `PackedBatch`, a `VarlenBatch` or a `ShapeProbe`."""

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """Store the layer's keys and values, then attend. Returns `[1, T, H, D]`."""
        ...


class ShapeProbe:
    """Batch for a model's first run: attends within its T tokens and records each layer's shape."""

    def __init__(self) -> None:
        self.layers: dict[int, LayerSpec] = {}

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """Attend without storing anything. Returns `[1, T, H, D]`."""
        query, key, value = qkv
        self.layers[layer_index] = LayerSpec(key.shape[1], key.shape[3], key.dtype, key.device)
        return sdpa.attend_causal(query, key, value).transpose(1, 2)


def register_backend(*, compile_disabled: bool = False) -> None:
    """Register `BACKEND_NAME` with transformers; `compile_disabled` hides it from torch.compile."""
    function = torch.compiler.disable(slot_attention) if compile_disabled else slot_attention  # type: ignore[no-untyped-call]
    AttentionInterface.register(BACKEND_NAME, function)


def slot_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """
    Store the keys and values of a step and attend to the KV in its slots.

    `query`: `[1, H, T, D]`; `key`, `value`: `[1, H_kv, T, D]`. Returns `[1, T, H, D]`. Raises
    `UnsupportedOptionError` if the layer passes an unknown option.
    """
    _check_options(options)
    batch: AttentionBatch = options["packed"]
    sdpa = SDPA(options.get("scaling"), options.get("sliding_window"))
    layer_index = int(module.layer_idx)  # type: ignore[arg-type]
    return batch.attend(layer_index, sdpa, (query, key, value)), None


def _check_options(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None and name not in SUPPORTED_OPTIONS:
            raise UnsupportedOptionError(name)
