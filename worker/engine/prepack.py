"""On a CPU: linear layers whose weights lie as the processor wants to read them, put so once."""

from typing import Any, Final

import torch
from torch import Tensor, nn

ROWS: Final = 8
"""How many tokens a step feeds most often; other numbers run too."""
MANY: Final = 96
"""From so many rows on, torch's own product is faster where it has the weights as `[in, out]`."""
OPERATORS: Final[Any] = torch.ops.mkldnn
CLOSE: Final = 1e-4
"""The most a layer may differ from the plain one: another order of the same sums is off by 1e-6."""


class Prepacked(nn.Module):
    """
    A linear layer in oneDNN's own layout; float32, `[..., in]` to `[..., out]`.

    The operators are those that `torch.compile` uses; they are not public, so `prepack` tries them.
    With `turned` the weights are kept a second time as `[in, out]`, for torch's own product of a
    single row, which then reads them from one end to the other, and of very many.
    """

    def __init__(self, layer: nn.Linear, *, turned: bool = False) -> None:
        super().__init__()
        self.bias: Tensor | None = layer.bias
        weight = layer.weight.detach()
        self._laid_out = OPERATORS._reorder_linear_weight(weight, ROWS)  # noqa: SLF001
        self._turned = weight.t().contiguous() if turned else None

    def forward(self, rows: Tensor) -> Tensor:
        """Return the products and the bias."""
        if self._turned is not None:
            flat = rows.reshape(-1, len(self._turned))
            if len(flat) == 1 or len(flat) >= MANY:
                return self._by_turned(flat, self._turned).view(*rows.shape[:-1], -1)
        found: Tensor = OPERATORS._linear_pointwise.default(  # noqa: SLF001
            rows, self._laid_out, self.bias, "none", [], ""
        )
        return found

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
    turned = sum(layer.weight.nbytes for _, layer in found) <= spare
    for name, layer in found:
        network.set_submodule(name, Prepacked(layer, turned=turned))
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
