"""On a CPU: linear layers whose weights lie as the processor wants to read them, put so once."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from worker.engine.loading import points

PACKED_ROWS: Final = 8
"""How many tokens a step feeds most often; other numbers run too."""
MIN_TORCH_ROWS: Final = 96
"""From so many rows on, torch's own product is faster than oneDNN's linear layer."""
ONEDNN_OPS: Final[Any] = torch.ops.mkldnn
MIN_TUNED_BYTES: Final = 16 * 2**20
"""Bytes of weights below which nothing is gained, and nothing can be timed."""
TOLERANCE: Final = 1e-4
"""The most a layer may differ from the plain one: another order of the same sums is off by 1e-6."""


class PackedLinear(nn.Module):
    """
    A linear layer in oneDNN's own layout; float32, `[..., in]` to `[..., out]`.

    The operators are those that `torch.compile` uses; they are not public, so `prepack` tries them.
    With `turned` the weights are kept a second time, for torch's own product of a single row, which
    then reads them in long runs, and of very many. With `ways` too, the first layout is the
    convolution's (see `worker.engine.loading.points`).
    """

    def __init__(
        self,
        layer: nn.Linear,
        *,
        transposed: bool = False,
        convolution_widths: points.ConvolutionWidths = (),
    ) -> None:
        super().__init__()
        self.bias: Tensor | None = layer.bias
        self._out_features = layer.out_features
        weight = layer.weight.detach()
        self.convolution_widths = convolution_widths if transposed else ()
        self._packed_weight = (
            points.pack_convolution_weight(weight)
            if self.convolution_widths
            else _pack_linear_weight(weight)
        )
        self._transposed_weight = _transpose_weight(weight) if transposed else None

    def forward(self, rows: Tensor) -> Tensor:
        """Return the products and the bias."""
        flat = rows.reshape(-1, rows.shape[-1])
        return self._multiply(flat).view(*rows.shape[:-1], self._out_features)

    def _multiply(self, rows: Tensor) -> Tensor:
        count = len(rows)
        if self._transposed_weight is None:
            return _onednn_linear(rows, self._packed_weight, self.bias)
        if self.convolution_widths:
            width = points.choose_width(count, self.convolution_widths) if count > 1 else 0
            if width:
                return points.apply_convolution(rows, self._packed_weight, self.bias, width)
        elif 1 < count < MIN_TORCH_ROWS:
            return _onednn_linear(rows, self._packed_weight, self.bias)
        return _torch_linear(rows, self._transposed_weight, self.bias)


def prepack_layers(network: nn.Module, spare_bytes: int = 0) -> int:
    """
    Replace the linear layers of a float32 network on the CPU; returns how many.

    Where `spare` bytes are enough for it, all weights are also kept for products of a single row.
    Weights that belong to another layer too, as an embedding's, stay there. Where torch lacks the
    operators, or they compute something else, nothing is replaced.
    """
    layers = [
        (name, layer)
        for name, layer in network.named_modules()
        if type(layer) is nn.Linear and _is_cpu_float32(layer.weight)
    ]
    if not layers or not _is_packable(layers[0][1]):
        return 0
    weight_bytes = sum(layer.weight.nbytes for _, layer in layers)
    transposed = weight_bytes <= spare_bytes
    widths_by_shape = (
        _tune_layers([layer for _, layer in layers])
        if transposed and weight_bytes >= MIN_TUNED_BYTES
        else {}
    )
    for name, layer in layers:
        convolution_widths = widths_by_shape.get(layer.weight.shape, ())
        network.set_submodule(
            name, PackedLinear(layer, transposed=transposed, convolution_widths=convolution_widths)
        )
    return len(layers)


def _is_cpu_float32(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32


def _is_packable(layer: nn.Linear) -> bool:
    """Whether a prepacked layer can be made and says what the plain one says."""
    rows = torch.linspace(-1, 1, 3 * layer.in_features).view(3, -1)
    try:
        with torch.inference_mode():
            return bool((PackedLinear(layer)(rows) - layer(rows)).abs().max() < TOLERANCE)
    except (AttributeError, RuntimeError):
        return False


@torch.inference_mode()
def _tune_layers(layers: Sequence[nn.Linear]) -> dict[torch.Size, points.ConvolutionWidths]:
    """Return the ways of each shape of layer; none where oneDNN's linear layers are faster."""
    shapes = Counter(layer.weight.shape for layer in layers)
    weight_by_shape = {layer.weight.shape: layer.weight.detach() for layer in layers}
    widths_by_shape, saved_seconds = {}, 0.0
    try:
        for shape, weight in weight_by_shape.items():
            torch_product = partial(_torch_linear, transposed=_transpose_weight(weight), bias=None)
            widths_by_shape[shape] = widths = points.tune_widths(weight, torch_product)
            linear = partial(_onednn_linear, weight=_pack_linear_weight(weight), bias=None)
            saved_seconds += shapes[shape] * points.measure_gain(weight, linear, widths)
    except (AttributeError, RuntimeError):
        return {}
    return widths_by_shape if saved_seconds > 0 else {}


def _transpose_weight(weight: Tensor) -> Tensor:
    """Return `[in, out]` for a weight `[out, in]`, with the longer side in one run of memory."""
    transposed = weight.t()
    # A single row costs what reading the weights costs, and short runs are read a quarter slower.
    return transposed if len(transposed) > len(weight) else transposed.contiguous()


def _torch_linear(rows: Tensor, transposed: Tensor, bias: Tensor | None) -> Tensor:
    return torch.mm(rows, transposed) if bias is None else torch.addmm(bias, rows, transposed)


def _pack_linear_weight(weight: Tensor) -> Tensor:
    found: Tensor = ONEDNN_OPS._reorder_linear_weight(weight, PACKED_ROWS)  # noqa: SLF001
    return found


def _onednn_linear(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = ONEDNN_OPS._linear_pointwise.default(  # noqa: SLF001
        rows, weight, bias, "none", [], ""
    )
    return found
