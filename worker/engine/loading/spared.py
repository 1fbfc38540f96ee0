"""
On a CPU: spares the last layer its feed-forward part for tokens from which nothing is chosen.

Most tokens of a prompt are read for the keys and values that they leave in each layer. Nothing
looks at what the last layer makes of them, so two thirds of its work for them are for nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

LAYER_PATHS: Final = ("transformer.h", "model.layers")
"""Where architectures keep their layers; the feed-forward part is called `mlp` in all of them."""


class SelectiveMLP(nn.Module):
    """
    A feed-forward part that works for `wanted` tokens alone, indices in the packed row.

    `[1, tokens, width]` to the same; zeros for the others, and all tokens where none is named.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.rows: Tensor | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what the part makes of the wanted tokens."""
        if self.rows is None:
            found: Tensor = self.inner(tokens)
            return found
        output = torch.zeros_like(tokens)
        if len(self.rows):
            output[:, self.rows] = self.inner(tokens[:, self.rows])
        return output


def install_selective_mlp(network: Any) -> None:
    """Let the last layer of a network work for wanted tokens alone, if it is built like others."""
    for name in LAYER_PATHS:
        try:
            last = network.get_submodule(name)[-1]
            inner = last.mlp
        except (AttributeError, IndexError, TypeError):
            continue
        if _is_tokenwise(inner, torch.zeros(1, 1, network.config.hidden_size, dtype=network.dtype)):
            last.mlp = SelectiveMLP(inner)


@torch.inference_mode()
def _is_tokenwise(part: nn.Module, token: Tensor) -> bool:
    """Whether a part makes a token of a token, and needs nothing else for it."""
    try:
        output = part(token)
    except TypeError:
        return False
    return isinstance(output, Tensor) and output.shape == token.shape


def find_selective_mlps(network: nn.Module) -> list[SelectiveMLP]:
    """Return the parts of a network that work for wanted tokens alone."""
    return [part for part in network.modules() if isinstance(part, SelectiveMLP)]


@contextmanager
def select_rows(parts: Sequence[SelectiveMLP], rows: Tensor | None) -> Iterator[None]:
    """Name the tokens from which something is chosen, `None` for all, as long as it lasts."""
    for part in parts:
        part.rows = rows
    try:
        yield
    finally:
        for part in parts:
            part.rows = None
