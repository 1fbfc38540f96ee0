"""
CPU linear layers in oneDNN's prepacked weight layouts, for small batches of float32 rows.

Two layouts compete for each layer shape. One is oneDNN's linear layout. The other computes few
rows as a 1x1 convolution, which takes 0.8 to 0.9 times as long. An image width that prefers another
layout repacks the weights at each call, ten times slower. So each shape is timed at load time.

Shapes: a weight is `[out, in]`, rows are `[n, in]`, a product is `[n, out]`.
"""

import timeit
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

ONEDNN_OPS: Final[Any] = torch.ops.mkldnn
"""Operators that `torch.compile` uses. They aren't public, so `prepack_layers` tries them first."""
PACKED_ROWS: Final = 8
"""Number of rows that the linear layout is optimised for; any number runs."""
MIN_TORCH_ROWS: Final = 96
"""From this number of rows on, torch's own product is faster than oneDNN's linear layer."""
MIN_TUNED_BYTES: Final = 16 * 2**20
"""Networks with fewer weight bytes are not tuned: their timings are noise."""
TOLERANCE: Final = 1e-4
"""Maximum absolute error of a packed layer; reordered sums alone cause 1e-6."""
IMAGE_WIDTHS: Final = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128)
"""Image widths in pixels (one a row); counts in between are padded with zeros."""
TUNED_ROW_COUNTS: Final = (*IMAGE_WIDTHS, 192, 256)
"""Row counts that are tuned; each one covers those below it."""
LAYOUT_WIDTH: Final = 8
"""Image width that the convolution layout is optimised for."""
PADDING_DIVISOR: Final = 8
"""At most one row of padding per this number of rows."""
MAX_IMAGES: Final = 8
"""Maximum number of images: each one reads all weights."""
MAX_TUNED_ELEMENTS: Final = 2 * 10**9
"""Larger products (rows times weights) are not tuned: it would take too long."""
REPACK_SLOWDOWN: Final = 3.0
"""A convolution slower than torch by this factor has repacked its weights."""
KERNEL_BUILD_SECONDS: Final = 0.02
"""Time in which oneDNN builds a kernel at its first call."""
COMPARED_ROW_COUNTS: Final = (8, 32)
TIMING_RUNS: Final = 2
POINT_CONVOLUTION: Final = ([0, 0], [1, 1], [1, 1], 1)
"""Padding, stride, dilation and groups of a 1x1 convolution."""
MatrixProduct = Callable[[Tensor], Tensor]
ConvolutionWidths = tuple[int, ...]
"""Image width for each of `TUNED_ROW_COUNTS`; 0 where torch is faster."""


class PackedLinear(nn.Module):
    """
    A float32 linear layer in a oneDNN layout: `[…, in]` to `[…, out]`.

    With `transposed` a second copy of the weights serves torch's own product, which is faster for
    one row and for very many rows. With `widths` too, the packed layout is the convolution's.
    """

    def __init__(
        self, layer: nn.Linear, *, transposed: bool = False, widths: ConvolutionWidths = ()
    ) -> None:
        super().__init__()
        self.bias: Tensor | None = layer.bias
        self._out_features = layer.out_features
        weight = layer.weight.detach()
        self._widths = widths if transposed else ()
        self._packed_weight = (
            _pack_convolution_weight(weight) if self._widths else _pack_linear_weight(weight)
        )
        self._transposed_weight = _transpose_weight(weight) if transposed else None

    def forward(self, rows: Tensor) -> Tensor:
        """Return the product plus the bias, `[…, out]`."""
        flat = rows.reshape(-1, rows.shape[-1])
        return self._multiply(flat).view(*rows.shape[:-1], self._out_features)

    def _multiply(self, rows: Tensor) -> Tensor:
        count = len(rows)
        if self._transposed_weight is None:
            return _onednn_linear(rows, self._packed_weight, self.bias)
        if self._widths:
            width = choose_width(count, self._widths) if count > 1 else 0
            if width:
                return _apply_convolution(rows, self._packed_weight, self.bias, width=width)
        elif 1 < count < MIN_TORCH_ROWS:
            return _onednn_linear(rows, self._packed_weight, self.bias)
        return _torch_linear(rows, self._transposed_weight, self.bias)


def prepack_layers(network: nn.Module, spare_bytes: int = 0) -> int:
    """
    Replace the linear layers of a float32 network on the CPU; returns the number replaced.

    If a second copy of all weights fits into `spare_bytes`, single rows get their own layout.
    Tied weights, such as an embedding's, stay in place. If torch lacks the operators, or they
    compute something else, nothing is replaced.
    """
    layers = [
        (name, layer)
        for name, layer in network.named_modules()
        if type(layer) is nn.Linear and layer.weight.dtype == torch.float32
    ]
    if not layers or not _is_packable(layers[0][1]):
        return 0
    weight_bytes = sum(layer.weight.nbytes for _, layer in layers)
    transposed = weight_bytes <= spare_bytes
    widths_by_shape: dict[torch.Size, ConvolutionWidths] = {}
    if transposed and weight_bytes >= MIN_TUNED_BYTES:
        widths_by_shape = _tune_layers([layer for _, layer in layers])
    for name, layer in layers:
        widths = widths_by_shape.get(layer.weight.shape, ())
        network.set_submodule(name, PackedLinear(layer, transposed=transposed, widths=widths))
    return len(layers)


def choose_width(count: int, widths: ConvolutionWidths) -> int:
    """Return the image width for a number of rows, or 0 for torch's own product."""
    index = bisect_left(TUNED_ROW_COUNTS, count)
    return widths[index] if index < len(widths) else 0


def tune_widths(weight: Tensor, torch_product: MatrixProduct) -> ConvolutionWidths:
    """
    Return the fastest image width for each of `TUNED_ROW_COUNTS`, by timing a weight `[out, in]`.

    Raises `AttributeError` or `RuntimeError` if torch has no such operator for this weight.
    """
    packed_weight = _pack_convolution_weight(weight)
    widths: list[int] = []
    repacked: set[int] = set()
    for count in TUNED_ROW_COUNTS:
        if count * weight.numel() > MAX_TUNED_ELEMENTS:
            break
        rows = torch.ones(count, weight.shape[1])
        torch_seconds = _time_call(torch_product, rows, TIMING_RUNS)
        width = _find_packed_width(packed_weight, rows, repacked, REPACK_SLOWDOWN * torch_seconds)
        convolution = partial(_apply_convolution, weight=packed_weight, width=width)
        faster = width and _time_call(convolution, rows, TIMING_RUNS) < torch_seconds
        widths.append(width if faster else 0)
    return tuple(widths)


def _is_packable(layer: nn.Linear) -> bool:
    """Whether a layer is on the CPU and the operators compute the same as the plain layer."""
    rows = torch.linspace(-1, 1, 3 * layer.in_features).view(3, -1)
    try:
        with torch.inference_mode():
            error = (PackedLinear(layer)(rows) - layer(rows)).abs().max()
        return layer.weight.device.type == "cpu" and bool(error < TOLERANCE)
    except (AttributeError, RuntimeError):
        return False


@torch.inference_mode()
def _tune_layers(layers: Sequence[nn.Linear]) -> dict[torch.Size, ConvolutionWidths]:
    """Return image widths by weight shape; none if oneDNN's linear layers are faster in all."""
    shapes = Counter(layer.weight.shape for layer in layers)
    weight_by_shape = {layer.weight.shape: layer.weight.detach() for layer in layers}
    widths_by_shape, saved_seconds = {}, 0.0
    try:
        for shape, weight in weight_by_shape.items():
            torch_product = partial(_torch_linear, transposed=_transpose_weight(weight), bias=None)
            widths_by_shape[shape] = widths = tune_widths(weight, torch_product)
            linear = partial(_onednn_linear, weight=_pack_linear_weight(weight), bias=None)
            saved_seconds += shapes[shape] * _measure_gain(weight, linear, widths)
    except (AttributeError, RuntimeError):
        return {}
    return widths_by_shape if saved_seconds > 0 else {}


def _find_packed_width(weight: Tensor, rows: Tensor, repacked: set[int], max_seconds: float) -> int:
    """Return the width of the fewest images that keep the layout; adds others to `repacked`."""
    for width in reversed(IMAGE_WIDTHS):
        images = -(-len(rows) // width)
        padding = images * width - len(rows)
        too_sparse = images > MAX_IMAGES or padding > len(rows) // PADDING_DIVISOR
        if too_sparse or width in repacked:
            continue
        convolution = partial(_apply_convolution, weight=weight, width=width)
        seconds = _time_call(convolution, rows)
        if max_seconds <= seconds < max_seconds + KERNEL_BUILD_SECONDS:
            seconds = _time_call(convolution, rows)
        if seconds < max_seconds:
            return width
        repacked.add(width)
    return 0


def _measure_gain(weight: Tensor, linear: MatrixProduct, widths: ConvolutionWidths) -> float:
    """Return the seconds that convolutions save against oneDNN's `linear` layer."""
    packed_weight, saved_seconds = _pack_convolution_weight(weight), 0.0
    for count in COMPARED_ROW_COUNTS:
        if width := choose_width(count, widths):
            rows = torch.ones(count, weight.shape[1])
            convolution = partial(_apply_convolution, weight=packed_weight, width=width)
            saved_seconds += _time_call(linear, rows, TIMING_RUNS)
            saved_seconds -= _time_call(convolution, rows, TIMING_RUNS)
    return saved_seconds


def _time_call(call: MatrixProduct, rows: Tensor, runs: int = 1) -> float:
    """Return the duration of the fastest of `runs` calls, in seconds."""
    return min(timeit.repeat(lambda: call(rows), number=1, repeat=runs))


def _pack_convolution_weight(weight: Tensor) -> Any:
    padding, stride, dilation, groups = POINT_CONVOLUTION
    image = [1, weight.shape[1], 1, LAYOUT_WIDTH]
    return ONEDNN_OPS._reorder_convolution_weight(  # noqa: SLF001
        weight.view(*weight.shape, 1, 1), padding, stride, dilation, groups, image
    )


def _apply_convolution(
    rows: Tensor, weight: Tensor, bias: Tensor | None = None, *, width: int
) -> Tensor:
    """Return `[n, out]` for `[n, in]` and a weight of `_pack_convolution_weight`."""
    count, inputs = rows.shape
    images = -(-count // width)
    if images * width > count:
        rows = torch.constant_pad_nd(rows, (0, 0, 0, images * width - count))
    output: Tensor = ONEDNN_OPS._convolution_pointwise.default(  # noqa: SLF001
        rows.view(images, 1, width, inputs).permute(0, 3, 1, 2),
        *(weight, bias, *POINT_CONVOLUTION),
        *("none", [], ""),
    )
    return output.permute(0, 2, 3, 1).reshape(images * width, -1)[:count]


def _transpose_weight(weight: Tensor) -> Tensor:
    """Return `[in, out]` with the longer side contiguous: short runs are read a quarter slower."""
    return weight.t() if weight.shape[1] > weight.shape[0] else weight.t().contiguous()


def _torch_linear(rows: Tensor, transposed: Tensor, bias: Tensor | None) -> Tensor:
    return torch.mm(rows, transposed) if bias is None else torch.addmm(bias, rows, transposed)


def _pack_linear_weight(weight: Tensor) -> Any:
    return ONEDNN_OPS._reorder_linear_weight(weight, PACKED_ROWS)  # noqa: SLF001


def _onednn_linear(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    linear: Callable[..., Tensor] = ONEDNN_OPS._linear_pointwise.default  # noqa: SLF001
    return linear(rows, weight, bias, "none", [], "")
