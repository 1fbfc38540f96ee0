"""
The last decoder layer of a CPU's network, computed only for the tokens whose logits are wanted.

Behind that layer nothing reads the other tokens of a step, most of a prompt. It stores their keys
and values and ends there. Then it runs as usual on the wanted tokens. This saves nearly one of a
network's layers in a prefill.

Shapes: T tokens of the step, N wanted tokens, H hidden size.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from worker.engine.attention.batch import QKV, PackedBatch
from worker.engine.attention.kernel_batch import KernelBatch
from worker.engine.attention.sdpa import SDPA

Forward = Callable[..., Tensor]


class _KeysStored(Exception):  # noqa: N818 - no error
    """Ends a layer after its keys and values are stored."""


@dataclass(frozen=True, slots=True)
class _KeyStore:
    """Batch that stores the keys and values of a layer and computes nothing behind them."""

    batch: PackedBatch | KernelBatch

    def attend(self, layer_index: int, _sdpa: SDPA, qkv: QKV) -> Tensor:
        """Store the layer's keys and values. Raises `_KeysStored`."""
        self.batch.store_kv(layer_index, qkv)
        raise _KeysStored


def find_last_layer(network: Any) -> nn.Module | None:
    """Return the last decoder layer, or `None` if the network has no list of its layers."""
    num_layers = network.config.num_hidden_layers
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) == num_layers:
            return module[-1]
    return None


def narrow_layer(layer: nn.Module) -> None:
    """Let a network's last layer compute only the wanted tokens of a batch."""
    layer.forward = partial(_run_layer, layer.forward)


def restore_layer(layer: nn.Module) -> None:
    """Undo `narrow_layer`."""
    del layer.forward


def _run_layer(forward: Forward, hidden: Tensor, *args: Any, **options: Any) -> Tensor:
    """
    Run a layer by its `forward` on the wanted tokens, if the batch has fewer than all.

    `hidden`: `[1, T, H]`. Returns `[1, T, H]`, in which the rows of other tokens are zero.
    """
    batch = options.get("packed")
    if not isinstance(batch, (PackedBatch, KernelBatch)) or batch.wanted is None:
        return forward(hidden, *args, **options)
    with suppress(_KeysStored):
        forward(hidden, *args, **options | {"packed": _KeyStore(batch)})
    output = torch.zeros_like(hidden)
    rows = batch.tensors.logit_rows
    if not len(rows):
        return output
    select = partial(_select_tokens, rows=rows, num_tokens=hidden.shape[1])
    narrowed = {name: select(value) for name, value in options.items()}
    wanted = forward(select(hidden), *map(select, args), **narrowed | {"packed": batch.wanted})
    return output.index_copy_(1, rows, wanted)


def _select_tokens(value: Any, rows: Tensor, num_tokens: int) -> Any:
    """Return the wanted rows of a tensor `[1, T, …]`, or of each in a tuple; else the value."""
    if isinstance(value, tuple):
        return tuple(_select_tokens(part, rows, num_tokens) for part in value)
    if isinstance(value, Tensor) and value.ndim > 1 and value.shape[1] == num_tokens:
        return value.index_select(1, rows)
    return value
