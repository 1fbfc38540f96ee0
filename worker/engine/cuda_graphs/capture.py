"""
CUDA graph capture, and layers that torch compiles inside captured steps.

`begin_cuda_capture` is the only function of this package that needs a GPU.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any, Final, Self

import torch
from torch import nn

from worker.engine.attention.backend import register_backend

Replay = Callable[[], None]
Capture = Callable[[Replay], Replay]
"""Captures a step; returns a function that replays it on the same memory."""

MAX_COMPILED_SHAPES: Final = 64
"""Maximum number of shapes that one layer is compiled for; torch's own limit is 8."""


def begin_cuda_capture(device: torch.device) -> Capture:
    """
    Begin a set of CUDA graphs that share one memory pool.

    Two graphs of a set must not replay at the same time. A step must copy its results to memory
    outside the pool. The returned function raises what CUDA or a kernel raises during capture.
    """
    torch.cuda.set_device(device)
    pool = torch.cuda.graph_pool_handle()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def capture_step(step: Replay) -> Replay:
        current_stream = torch.cuda.current_stream(device)
        stream.wait_stream(current_stream)
        with torch.cuda.stream(stream):
            # On the first run libraries choose kernels and compilers compile: not to be captured.
            step()
        current_stream.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # The outer context restores the current stream even if capture fails; torch's doesn't.
        # `thread_local`: other threads of this process may use the device during capture.
        with (
            torch.cuda.stream(current_stream),
            torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"),
        ):
            step()
        return graph.replay

    return capture_step


class CompiledLayers:
    """
    Context in which a network's layers run compiled by torch. Outside it they run as before.

    All layers share one compilation per shape (half a minute each). Attention stays uncompiled,
    because it depends on the layer's index and on the slots. The first run of a shape raises what
    the compiler raises.
    """

    def __init__(self, network: Any, backend: str | Callable[..., Any] = "inductor") -> None:
        self._original_forwards: list[Callable[..., Any] | None] = []
        names = set(network._no_split_modules or ())  # noqa: SLF001 - transformers' layer classes
        self._layers = [layer for layer in network.modules() if type(layer).__name__ in names]
        self._compiled_forwards: dict[type[nn.Module], Callable[..., Any]] = {
            kind: torch.compile(kind.forward, dynamic=False, backend=backend)
            for kind in {type(layer) for layer in self._layers}
        }
        torch._dynamo.config.recompile_limit = MAX_COMPILED_SHAPES  # noqa: SLF001 - no public name
        register_backend(compile_disabled=True)

    def __enter__(self) -> Self:
        # A library may have set a `forward` of its own on an instance.
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
