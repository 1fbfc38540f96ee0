"""
On a CPU: a product with few rows as a convolution of single points, where oneDNN does that faster.

A row is a point of an image that is one point high. oneDNN's convolutions of up to 128 points take
0.8 to 0.9 times as long as its own linear layers, for the same sums in the same order. But each
width of an image has a layout of weights that it likes best, and where that is another one, the
weights are put so again at each call, which takes ten times as long as the product. Nothing tells
but the time that it takes, so for each shape of layer the ways are tried once, at the load.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch import Tensor

WIDTHS: Final = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128)
"""Points in an image; what lies between is filled up with zeros."""
COUNTS: Final = (*WIDTHS, 192, 256)
"""Numbers of rows for which ways are tried; each stands for those below it."""
USUAL: Final = 8
"""The width that the layout is made for."""
SPARE: Final = 8
"""Images may be filled up by the part 1 / SPARE of the rows."""
IMAGES: Final = 8
"""The most images: the weights are read once for each."""
LARGEST: Final = 2 * 10**9
"""Products of more numbers than this are not tried: it would take too long."""
SLOW: Final = 3.0
"""A product that takes so many times as long as the other way has put its weights anew."""
MADE: Final = 0.02
"""Seconds in which the code for a new kind of product is made, at its first call."""
COMPARED: Final = (8, 32)
TRIES: Final = 2
OPERATORS: Final[Any] = torch.ops.mkldnn
ONE: Final = ([0, 0], [1, 1], [1, 1], 1)
"""No padding, each point once, one group."""

Product = Callable[[Tensor], Tensor]
Ways = tuple[int, ...]
"""For each of `COUNTS` the width of the images, 0 where the other way is faster."""


def laid_out(weight: Tensor) -> Tensor:
    """Return a weight `[out, in]` as the convolution reads it."""
    padding, stride, dilation, groups = ONE
    image = [1, weight.shape[1], 1, USUAL]
    found: Tensor = OPERATORS._reorder_convolution_weight(  # noqa: SLF001
        weight.view(*weight.shape, 1, 1), padding, stride, dilation, groups, image
    )
    return found


def product(rows: Tensor, weight: Tensor, bias: Tensor | None, width: int) -> Tensor:
    """Return `[rows, out]` for `[rows, in]` and a weight that is `laid_out`."""
    count, inputs = rows.shape
    images = -(-count // width)
    if images * width > count:
        rows = torch.constant_pad_nd(rows, (0, 0, 0, images * width - count))
    found: Tensor = OPERATORS._convolution_pointwise.default(  # noqa: SLF001
        rows.view(images, 1, width, inputs).permute(0, 3, 1, 2),
        *(weight, bias, *ONE),
        *("none", [], ""),
    )
    return found.permute(0, 2, 3, 1).reshape(images * width, -1)[:count]


def width(count: int, ways: Ways) -> int:
    """Return the width of the images for so many rows, 0 for the other way."""
    at = bisect_left(COUNTS, count)
    return ways[at] if at < len(ways) else 0


def tried(weight: Tensor, other: Product) -> Ways:
    """
    Return the fastest ways for a weight `[out, in]`; `other` is the other way with the same weight.

    Raises what the operators raise where torch has none for this weight.
    """
    own = laid_out(weight)
    ways: list[int] = []
    anew: set[int] = set()
    for count in COUNTS:
        if count * weight.numel() > LARGEST:
            break
        rows = torch.ones(count, weight.shape[1])
        least = _seconds(other, rows, TRIES)
        size = _kept(own, rows, anew, SLOW * least)
        ways.append(size if size and _seconds(_by(own, size), rows, TRIES) < least else 0)
    return tuple(ways)


def _kept(weight: Tensor, rows: Tensor, anew: set[int], most: float) -> int:
    """Return the width of the fewest images that keep the layout; notes the others in `anew`."""
    for size in _widths(len(rows)):
        if size in anew:
            continue
        by_points = _by(weight, size)
        first = _seconds(by_points, rows)
        if first < most or (first < most + MADE and _seconds(by_points, rows) < most):
            return size
        anew.add(size)
    return 0


def gain(weight: Tensor, linear: Product, ways: Ways) -> float:
    """Return how many seconds a weight saves against oneDNN's `linear` layer."""
    own, saved = laid_out(weight), 0.0
    for count in COMPARED:
        rows, size = torch.ones(count, weight.shape[1]), width(count, ways)
        if size:
            saved += _seconds(linear, rows, TRIES) - _seconds(_by(own, size), rows, TRIES)
    return saved


def _widths(count: int) -> Iterator[int]:
    """Yield the widths of few images that so many rows fill nearly, the widest first."""
    for size in reversed(WIDTHS):
        images = -(-count // size)
        if images <= IMAGES and images * size - count <= count // SPARE:
            yield size


def _by(weight: Tensor, size: int) -> Product:
    return lambda rows: product(rows, weight, None, size)


def _seconds(call: Product, rows: Tensor, tries: int = 1) -> float:
    """Return the time of the fastest of some calls."""
    best = float("inf")
    for _ in range(tries):
        began = time.perf_counter()
        call(rows)
        best = min(best, time.perf_counter() - began)
    return best
