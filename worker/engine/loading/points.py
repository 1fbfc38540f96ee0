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

IMAGE_WIDTHS: Final = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128)
"""Points in an image; what lies between is filled up with zeros."""
TUNED_ROW_COUNTS: Final = (*IMAGE_WIDTHS, 192, 256)
"""Numbers of rows for which ways are tried; each stands for those below it."""
LAYOUT_WIDTH: Final = 8
"""The width that the layout is made for."""
PADDING_DIVISOR: Final = 8
"""Images may be filled up by the part 1 / SPARE of the rows."""
MAX_IMAGES: Final = 8
"""The most images: the weights are read once for each."""
MAX_TUNED_ELEMENTS: Final = 2 * 10**9
"""Products of more numbers than this are not tried: it would take too long."""
REPACK_SLOWDOWN: Final = 3.0
"""A product that takes so many times as long as the other way has put its weights anew."""
KERNEL_BUILD_SECONDS: Final = 0.02
"""Seconds in which the code for a new kind of product is made, at its first call."""
COMPARED_ROW_COUNTS: Final = (8, 32)
TIMING_RUNS: Final = 2
ONEDNN_OPS: Final[Any] = torch.ops.mkldnn
POINT_CONVOLUTION: Final = ([0, 0], [1, 1], [1, 1], 1)
"""No padding, each point once, one group."""

MatrixProduct = Callable[[Tensor], Tensor]
ConvolutionWidths = tuple[int, ...]
"""For each of `COUNTS` the width of the images, 0 where the other way is faster."""


def pack_convolution_weight(weight: Tensor) -> Tensor:
    """Return a weight `[out, in]` as the convolution reads it."""
    padding, stride, dilation, groups = POINT_CONVOLUTION
    image = [1, weight.shape[1], 1, LAYOUT_WIDTH]
    found: Tensor = ONEDNN_OPS._reorder_convolution_weight(  # noqa: SLF001
        weight.view(*weight.shape, 1, 1), padding, stride, dilation, groups, image
    )
    return found


def apply_convolution(rows: Tensor, weight: Tensor, bias: Tensor | None, width: int) -> Tensor:
    """Return `[rows, out]` for `[rows, in]` and a weight that is `laid_out`."""
    count, inputs = rows.shape
    images = -(-count // width)
    if images * width > count:
        rows = torch.constant_pad_nd(rows, (0, 0, 0, images * width - count))
    found: Tensor = ONEDNN_OPS._convolution_pointwise.default(  # noqa: SLF001
        rows.view(images, 1, width, inputs).permute(0, 3, 1, 2),
        *(weight, bias, *POINT_CONVOLUTION),
        *("none", [], ""),
    )
    return found.permute(0, 2, 3, 1).reshape(images * width, -1)[:count]


def choose_width(count: int, widths: ConvolutionWidths) -> int:
    """Return the width of the images for so many rows, 0 for the other way."""
    index = bisect_left(TUNED_ROW_COUNTS, count)
    return widths[index] if index < len(widths) else 0


def tune_widths(weight: Tensor, torch_product: MatrixProduct) -> ConvolutionWidths:
    """
    Return the fastest ways for a weight `[out, in]`; `other` is the other way with the same weight.

    Raises what the operators raise where torch has none for this weight.
    """
    packed_weight = pack_convolution_weight(weight)
    widths: list[int] = []
    repacked: set[int] = set()
    for count in TUNED_ROW_COUNTS:
        if count * weight.numel() > MAX_TUNED_ELEMENTS:
            break
        rows = torch.ones(count, weight.shape[1])
        torch_seconds = _time_call(torch_product, rows, TIMING_RUNS)
        width = _find_packed_width(packed_weight, rows, repacked, REPACK_SLOWDOWN * torch_seconds)
        widths.append(
            width
            if width
            and _time_call(_bind_convolution(packed_weight, width), rows, TIMING_RUNS)
            < torch_seconds
            else 0
        )
    return tuple(widths)


def _find_packed_width(weight: Tensor, rows: Tensor, repacked: set[int], max_seconds: float) -> int:
    """Return the width of the fewest images that keep the layout; notes the others in `anew`."""
    for width in _list_candidate_widths(len(rows)):
        if width in repacked:
            continue
        convolution = _bind_convolution(weight, width)
        first_seconds = _time_call(convolution, rows)
        if first_seconds < max_seconds or (
            first_seconds < max_seconds + KERNEL_BUILD_SECONDS
            and _time_call(convolution, rows) < max_seconds
        ):
            return width
        repacked.add(width)
    return 0


def measure_gain(weight: Tensor, linear: MatrixProduct, widths: ConvolutionWidths) -> float:
    """Return how many seconds a weight saves against oneDNN's `linear` layer."""
    packed_weight, saved_seconds = pack_convolution_weight(weight), 0.0
    for count in COMPARED_ROW_COUNTS:
        rows, size = torch.ones(count, weight.shape[1]), choose_width(count, widths)
        if size:
            saved_seconds += _time_call(linear, rows, TIMING_RUNS) - _time_call(
                _bind_convolution(packed_weight, size), rows, TIMING_RUNS
            )
    return saved_seconds


def _list_candidate_widths(count: int) -> Iterator[int]:
    """Yield the widths of few images that so many rows fill nearly, the widest first."""
    for size in reversed(IMAGE_WIDTHS):
        images = -(-count // size)
        if images <= MAX_IMAGES and images * size - count <= count // PADDING_DIVISOR:
            yield size


def _bind_convolution(weight: Tensor, size: int) -> MatrixProduct:
    return lambda rows: apply_convolution(rows, weight, None, size)


def _time_call(call: MatrixProduct, rows: Tensor, runs: int = 1) -> float:
    """Return the time of the fastest of some calls."""
    best = float("inf")
    for _ in range(runs):
        started_at = time.perf_counter()
        call(rows)
        best = min(best, time.perf_counter() - started_at)
    return best
