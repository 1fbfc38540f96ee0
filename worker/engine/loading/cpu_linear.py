"""On a CPU: linear layers whose weights lie as the processor wants to read them, put so once."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from worker.engine.loading import points

ROWS: Final = 8
"""How many tokens a step feeds most often; other numbers run too."""
MANY: Final = 96
"""From so many rows on, torch's own product is faster than oneDNN's linear layer."""
OPERATORS: Final[Any] = torch.ops.mkldnn
WORTH: Final = 16 * 2**20
"""Bytes of weights below which nothing is gained, and nothing can be timed."""
CLOSE: Final = 1e-4
"""The most a layer may differ from the plain one: another order of the same sums is off by 1e-6."""


class Prepacked(nn.Module):
    """
    A linear layer in oneDNN's own layout; float32, `[..., in]` to `[..., out]`.

    The operators are those that `torch.compile` uses; they are not public, so `prepack` tries them.
    With `turned` the weights are kept a second time, for torch's own product of a single row, which
    then reads them in long runs, and of very many. With `ways` too, the first layout is the
    convolution's (see `worker.engine.loading.points`).
    """

    def __init__(self, layer: nn.Linear, *, turned: bool = False, ways: points.Ways = ()) -> None:
        super().__init__()
        self.bias: Tensor | None = layer.bias
        self._outputs = layer.out_features
        weight = layer.weight.detach()
        self.ways = ways if turned else ()
        self._laid_out = points.laid_out(weight) if self.ways else _for_rows(weight)
        self._turned = _turned(weight) if turned else None

    def forward(self, rows: Tensor) -> Tensor:
        """Return the products and the bias."""
        flat = rows.reshape(-1, rows.shape[-1])
        return self._product(flat).view(*rows.shape[:-1], self._outputs)

    def _product(self, rows: Tensor) -> Tensor:
        count = len(rows)
        if self._turned is None:
            return _by_rows(rows, self._laid_out, self.bias)
        if self.ways:
            width = points.width(count, self.ways) if count > 1 else 0
            if width:
                return points.product(rows, self._laid_out, self.bias, width)
        elif 1 < count < MANY:
            return _by_rows(rows, self._laid_out, self.bias)
        return _by_turned(rows, self._turned, self.bias)


def prepack(network: nn.Module, spare: int = 0) -> int:
    """
    Replace the linear layers of a float32 network on the CPU; returns how many.

    Where `spare` bytes are enough for it, all weights are also kept for products of a single row.
    Weights that belong to another layer too, as an embedding's, stay there. Where torch lacks the
    operators, or they compute something else, nothing is replaced.
    """
    found = [
        (name, layer)
        for name, layer in network.named_modules()
        if type(layer) is nn.Linear and _fits(layer.weight)
    ]
    if not found or not _works(found[0][1]):
        return 0
    size = sum(layer.weight.nbytes for _, layer in found)
    turned = size <= spare
    ways = _ways([layer for _, layer in found]) if turned and size >= WORTH else {}
    for name, layer in found:
        own = ways.get(layer.weight.shape, ())
        network.set_submodule(name, Prepacked(layer, turned=turned, ways=own))
    return len(found)


def _fits(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32


def _works(layer: nn.Linear) -> bool:
    """Whether a prepacked layer can be made and says what the plain one says."""
    rows = torch.linspace(-1, 1, 3 * layer.in_features).view(3, -1)
    try:
        with torch.inference_mode():
            return bool((Prepacked(layer)(rows) - layer(rows)).abs().max() < CLOSE)
    except (AttributeError, RuntimeError):
        return False


@torch.inference_mode()
def _ways(layers: Sequence[nn.Linear]) -> dict[torch.Size, points.Ways]:
    """Return the ways of each shape of layer; none where oneDNN's linear layers are faster."""
    shapes = Counter(layer.weight.shape for layer in layers)
    one_of = {layer.weight.shape: layer.weight.detach() for layer in layers}
    found, saved = {}, 0.0
    try:
        for shape, weight in one_of.items():
            other = partial(_by_turned, turned=_turned(weight), bias=None)
            found[shape] = ways = points.tried(weight, other)
            linear = partial(_by_rows, weight=_for_rows(weight), bias=None)
            saved += shapes[shape] * points.gain(weight, linear, ways)
    except (AttributeError, RuntimeError):
        return {}
    return found if saved > 0 else {}


def _turned(weight: Tensor) -> Tensor:
    """Return `[in, out]` for a weight `[out, in]`, with the longer side in one run of memory."""
    turned = weight.t()
    # A single row costs what reading the weights costs, and short runs are read a quarter slower.
    return turned if len(turned) > len(weight) else turned.contiguous()


def _by_turned(rows: Tensor, turned: Tensor, bias: Tensor | None) -> Tensor:
    return torch.mm(rows, turned) if bias is None else torch.addmm(bias, rows, turned)


def _for_rows(weight: Tensor) -> Tensor:
    found: Tensor = OPERATORS._reorder_linear_weight(weight, ROWS)  # noqa: SLF001
    return found


def _by_rows(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = OPERATORS._linear_pointwise.default(  # noqa: SLF001
        rows, weight, bias, "none", [], ""
    )
    return found
