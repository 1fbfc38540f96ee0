"""
On a CPU: a product with few rows as a convolution of single points, where oneDNN does that faster.

A row is a point of an image that is one point high. oneDNN's convolutions of 4 to 96 points take
0.8 to 0.9 times as long as its own linear layers, for the same sums in the same order. But each
width of an image has a layout of weights that it likes best, and where that is another one, the
weights are put so again at each call, which takes ten times as long as the product. Nothing tells
but the time that it takes, so the widths are tried once for each shape of layer.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor

WIDTHS: Final = (4, 8, 12, 16, 20, 24, 28, 32, 48, 64, 96)
"""Points in an image; what lies between is filled up with zeros."""
USUAL: Final = 8
"""The width that the layout is made for."""
ANOTHER: Final = 6
"""An image more costs as much as so many points: the weights are read once more."""
SLOW: Final = 3.0
"""A product that takes so many times as long as the linear layer has put its weights anew."""
COMPARED: Final = (8, 32)
"""Widths by which both ways are compared."""
TRIES: Final = 3
MADE: Final = 0.02
"""Seconds in which the code for a new kind of product is made, at its first call."""
OPERATORS: Final[Any] = torch.ops.mkldnn
ONE: Final = ([0, 0], [1, 1], [1, 1], 1)
"""No padding, each point once, one group."""


def laid_out(weight: Tensor) -> Tensor:
    """Return a weight `[out, in]` as the convolution reads it."""
    padding, stride, dilation, groups = ONE
    image = [1, weight.shape[1], 1, USUAL]
    found: Tensor = OPERATORS._reorder_convolution_weight(  # noqa: SLF001
        weight.view(*weight.shape, 1, 1), padding, stride, dilation, groups, image
    )
    return found


def product(rows: Tensor, weight: Tensor, bias: Tensor | None, widths: Sequence[int]) -> Tensor:
    """Return `[rows, out]` for `[rows, in]` and a weight that is `laid_out`, by these widths."""
    count, inputs = rows.shape
    images, width = plan(count, tuple(widths))
    if images * width > count:
        rows = torch.constant_pad_nd(rows, (0, 0, 0, images * width - count))
    found: Tensor = OPERATORS._convolution_pointwise.default(  # noqa: SLF001
        rows.view(images, 1, width, inputs).permute(0, 3, 1, 2),
        *(weight, bias, *ONE),
        *("none", [], ""),
    )
    return found.permute(0, 2, 3, 1).reshape(images * width, -1)[:count]


@lru_cache(maxsize=4096)
def plan(count: int, widths: tuple[int, ...]) -> tuple[int, int]:
    """Return into how many images of which width so many rows go best."""
    images = [(-(-count // width), width) for width in widths]
    return min(images, key=lambda found: (found[0] * (found[1] + ANOTHER), found[0]))


Product = Callable[[Tensor], Tensor]


def usable(weight: Tensor, linear: Product) -> tuple[int, ...]:
    """
    Return the widths at which a weight keeps its layout; `linear` is oneDNN's own product with it.

    Raises what the operators raise where torch has none for this weight.
    """
    by = pointwise(weight)
    widths = []
    for width in WIDTHS:
        rows = torch.ones(width, weight.shape[1])
        most = SLOW * _seconds(linear, rows)
        first = _seconds(by(width), rows)
        if first < most or (first < most + MADE and _seconds(by(width), rows) < most):
            widths.append(width)
    return tuple(widths)


def gain(weight: Tensor, linear: Product) -> float:
    """Return how many seconds a weight saves at the widths that are compared."""
    by = pointwise(weight)
    saved = 0.0
    for width in COMPARED:
        rows = torch.ones(width, weight.shape[1])
        ours, theirs = (
            min(_seconds(product, rows) for _ in range(TRIES)) for product in (by(width), linear)
        )
        saved += theirs - ours
    return saved


def pointwise(weight: Tensor) -> Callable[[int], Product]:
    """Return the product with a weight by each width."""
    own = laid_out(weight)
    return lambda width: lambda rows: product(rows, own, None, (width,))


def _seconds(call: Product, rows: Tensor) -> float:
    began = time.perf_counter()
    call(rows)
    return time.perf_counter() - began
