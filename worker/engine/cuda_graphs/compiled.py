"""Optional: the layers of a model, compiled by torch for steps of fixed shapes."""

from collections.abc import Callable
from types import MethodType
from typing import Any, Final, Self

import torch
from torch import nn

from worker.engine.attention.backend import register_backend

MAX_COMPILED_SHAPES: Final = 64
"""For so many shapes one layer may be compiled; torch's own limit is 8, then it gives up."""


class CompiledLayers:
    """
    Inside it, the layers of a network run compiled; outside, where every shape differs, as ever.

    One layer is compiled for all of them, for each shape anew (half a minute). Attention stays
    outside of it: it depends on the layer's number and on the slots. The first run of a shape
    raises what the compiler raises.
    """

    def __init__(self, network: Any, backend: str | Callable[..., Any] = "inductor") -> None:
        self._original_forwards: list[Callable[..., Any] | None] = []
        names = set(network._no_split_modules or ())  # noqa: SLF001 - how transformers names layers
        self._layers = [layer for layer in network.modules() if type(layer).__name__ in names]
        self._compiled_forwards: dict[type[nn.Module], Callable[..., Any]] = {
            kind: torch.compile(kind.forward, dynamic=False, backend=backend)
            for kind in {type(layer) for layer in self._layers}
        }
        torch._dynamo.config.recompile_limit = MAX_COMPILED_SHAPES  # noqa: SLF001 - it has no other name
        register_backend(compile_disabled=True)

    def __enter__(self) -> Self:
        # A library may have put a function of its own there.
        self._original_forwards = [vars(layer).get("forward") for layer in self._layers]
        for layer in self._layers:
            layer.forward = MethodType(self._compiled_forwards[type(layer)], layer)
        return self

    def __exit__(self, *_: object) -> None:
        for layer, original in zip(self._layers, self._original_forwards, strict=True):
            if original is None:
                del layer.forward
            else:
                layer.forward = original
