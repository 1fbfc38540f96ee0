"""On a CPU: linear layers whose weights lie as the processor wants to read them, put so once."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from worker.engine import points

ROWS: Final = 8
"""How many tokens a step feeds most often; other numbers run too."""
MANY: Final = 96
"""From so many rows on, torch's own product is faster where it has the weights as `[in, out]`."""
OPERATORS: Final[Any] = torch.ops.mkldnn
WORTH: Final = 16 * 2**20
"""Bytes of weights below which nothing is gained, and nothing can be timed."""
CLOSE: Final = 1e-4
"""The most a layer may differ from the plain one: another order of the same sums is off by 1e-6."""


class Prepacked(nn.Module):
    """
    A linear layer in one of oneDNN's own layouts; float32, `[..., in]` to `[..., out]`.

    The operators are those that `torch.compile` uses; they are not public, so `prepack` tries them.
    With `widths` products are made point by point (see `worker.engine.points`). With `turned` the
    weights are kept a second time as `[in, out]`, for torch's own product of a single row, which
    then reads them from one end to the other, and of very many.
    """

    def __init__(
        self, layer: nn.Linear, *, turned: bool = False, widths: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.bias: Tensor | None = layer.bias
        weight = layer.weight.detach()
        self.widths = widths
        self._laid_out = points.laid_out(weight) if widths else _for_rows(weight)
        self._turned = weight.t().contiguous() if turned else None

    def forward(self, rows: Tensor) -> Tensor:
        """Return the products and the bias."""
        flat = rows.reshape(-1, rows.shape[-1])
        if self._turned is not None and (len(flat) == 1 or len(flat) >= MANY):
            found = self._by_turned(flat, self._turned)
        elif self.widths:
            found = points.product(flat, self._laid_out, self.bias, self.widths)
        else:
            found = _by_rows(flat, self._laid_out, self.bias)
        return found.view(*rows.shape[:-1], -1)

    def _by_turned(self, rows: Tensor, turned: Tensor) -> Tensor:
        return torch.mm(rows, turned) if self.bias is None else torch.addmm(self.bias, rows, turned)


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
    layers = [layer for _, layer in found]
    size = sum(layer.weight.nbytes for layer in layers)
    with torch.inference_mode():
        widths = _widths(layers) if size >= WORTH else {}
    for name, layer in found:
        own = widths.get(layer.weight.shape, ())
        network.set_submodule(name, Prepacked(layer, turned=size <= spare, widths=own))
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


def _widths(layers: Sequence[nn.Linear]) -> dict[torch.Size, tuple[int, ...]]:
    """Return by which widths to make products point by point; none where that is not faster."""
    shapes = Counter(layer.weight.shape for layer in layers)
    one_of = {layer.weight.shape: layer.weight.detach() for layer in layers}
    found, saved = {}, 0.0
    try:
        for shape, weight in one_of.items():
            linear = partial(_by_rows, weight=_for_rows(weight), bias=None)
            found[shape] = points.usable(weight, linear)
            saved += shapes[shape] * points.gain(weight, linear)
    except (AttributeError, RuntimeError):
        return {}
    return found if saved > 0 and all(found.values()) else {}


def _for_rows(weight: Tensor) -> Tensor:
    found: Tensor = OPERATORS._reorder_linear_weight(weight, ROWS)  # noqa: SLF001
    return found


def _by_rows(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = OPERATORS._linear_pointwise.default(  # noqa: SLF001
        rows, weight, bias, "none", [], ""
    )
    return found
