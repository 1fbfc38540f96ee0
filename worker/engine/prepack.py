"""On a CPU: linear layers whose weights lie as the processor wants to read them, put so once."""

from typing import Any, Final

import torch
from torch import Tensor, nn

ROWS: Final = 8
"""How many tokens a step feeds most often; other numbers run too."""
OPERATORS: Final[Any] = torch.ops.mkldnn
CLOSE: Final = 1e-4
"""The most a layer may differ from the plain one: another order of the same sums is off by 1e-6."""


class Prepacked(nn.Module):
    """
    A linear layer in oneDNN's own layout; float32, `[..., in]` to `[..., out]`.

    The operators are those that `torch.compile` uses; they are not public, so `prepack` tries them.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.bias = layer.bias
        self._laid_out = OPERATORS._reorder_linear_weight(layer.weight.detach(), ROWS)  # noqa: SLF001

    def forward(self, rows: Tensor) -> Tensor:
        """Return the products and the bias."""
        found: Tensor = OPERATORS._linear_pointwise(  # noqa: SLF001
            rows, self._laid_out, self.bias, "none", [], ""
        )
        return found


def prepack(network: nn.Module) -> int:
    """
    Replace the linear layers of a float32 network on the CPU; returns how many.

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
    for name, layer in found:
        network.set_submodule(name, Prepacked(layer))
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
