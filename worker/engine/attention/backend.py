"""
Attention over slots, registered with transformers so that stock model code runs on our memory.

transformers hands our keyword `packed` through to this function and, for an attention it has no
mask for, builds none. What is packed knows where its tokens' keys and values go.
"""

from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from worker.engine.attention.batch import QKV
from worker.engine.attention.kv_cache import LayerSpec
from worker.engine.attention.sdpa import SDPA

BACKEND_NAME: Final = "starchat_slots"

SUPPORTED_OPTIONS: Final = frozenset({
    "packed", "scaling", "sliding_window",
    # What changes nothing here: nothing is dropped out in evaluation, positions are in `packed`.
    "dropout", "is_causal", "output_attentions", "position_ids", "use_cache", "cache_position",
})  # fmt: skip
"""What a layer may ask of its attention."""


class UnsupportedOptionError(Exception):
    """A layer asks its attention for something else; the message is its name."""


class AttentionBatch(Protocol):
    """The tokens that one step feeds: `Packed`, `Lanes` or `Shapes`."""

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """Store keys and values of layer `index` and attend; returns `[1, tokens, heads, dim]`."""
        ...


class ShapeProbe:
    """A row of tokens on a model's first run: attends within the row, notes the layers."""

    def __init__(self) -> None:
        self.layers: dict[int, LayerSpec] = {}

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """See `Fed.attend`; nothing is stored."""
        query, key, value = qkv
        self.layers[layer_index] = LayerSpec(key.shape[1], key.shape[3], key.dtype, key.device)
        return sdpa.attend_causal(query, key, value).transpose(1, 2)


def register_backend(*, compile_disabled: bool = False) -> None:
    """Make the attention known to transformers under `NAME`; `apart` from what is compiled."""
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
    Store the keys and values of a step's tokens and attend to what their slots hold.

    `query` is `[1, heads, tokens, dim]`, `key` and `value` have the key-value heads. Returns
    `[1, tokens, heads, dim]`.
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
