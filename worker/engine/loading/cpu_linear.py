"""
CPU linear layers, each packed once at load in the number format of its weights.

oneDNN packs float32 and bfloat16. FBGEMM packs float16 and multiplies it with float32 rows, since
torch's plain float16 product is slow on a CPU. For int8 it also rounds each row to 8 bits, by that
row's own largest number: a row's product depends on no other row. No unpacked copy stays, except
an embedding's that shares its weights with the output layer (see `mapped_embedding`). A GELU that
follows a layer is computed with its product where that is faster.

Shapes: a weight is `[out, in]`, rows are `[n, in]`, a product is `[n, out]`.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation, GELUTanh

from worker.engine import LoadError

ONEDNN_OPS: Final[Any] = torch.ops.mkldnn
FBGEMM_OPS: Final[Any] = torch.ops.quantized
"""Operators of torch. They aren't public, so `pack_layers` tries them on one layer first."""
FBGEMM: Final = "fbgemm"
"""torch's name of the library that packs float16 and int8 weights."""
PACKED_ROWS: Final = 8
"""Number of rows that oneDNN's layout is optimised for; any number runs."""
MIN_ROWS: Final = 4
"""Rows below which oneDNN takes up to a third more time than for this number."""
MAX_INT8: Final = 127
"""Largest absolute value of an 8-bit number here; -128 is not used."""
MAX_WEIGHT_WITHOUT_VNNI: Final = 63
"""
The same for weights where pairs of products are added in 16 bits, which would overflow.

7-bit weights lose less than 7-bit rows, which have outliers.
"""
MIN_SCALE: Final = 1e-30
"""Smallest scale of a row or a weight, so that zeros can be divided by it."""
DTYPES: Final = (torch.float32, torch.bfloat16, torch.float16)
MAX_SAMPLE_ERROR: Final = 0.01
"""Maximum relative error of a sample product; bfloat16 rounds it by up to 0.004."""
SAMPLE_SIZE: Final = 3
"""Number of rows and outputs of the sample."""
GELU_ALGORITHMS: Final[dict[type[nn.Module], str]] = {
    nn.GELU: "none", GELUActivation: "none", GELUTanh: "tanh",
}  # fmt: skip
"""oneDNN's names of what these modules compute."""
MLP_CLASSES: Final = {"GPTBigCodeMLP", "Starcoder2MLP"}
"""Classes of transformers that apply `act` to the output of `c_fc`, and to nothing else."""
MatrixProduct = Callable[[Tensor], Tensor]


class PackedLinear(nn.Module):
    """A linear layer with packed weights: `[…, in]` to `[…, out]`."""

    def __init__(self, layer: nn.Linear, *, int8: bool = False, gelu: str | None = None) -> None:
        super().__init__()
        if int8:
            self._multiply = _pack_int8(layer)
        elif layer.weight.dtype == torch.float16:
            self._multiply = _pack_half(layer)
        else:
            self._multiply = _pack_onednn(layer, gelu)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the product plus the bias, `[…, out]`, or its GELU by oneDNN's `gelu`."""
        return self._multiply(rows)


def pack_layers(network: nn.Module, *, int8: bool = False) -> int:
    """
    Replace the linear layers of a network on the CPU; returns the number replaced.

    `int8` quantizes them, the output layer too; else they keep their number format.

    The network's `min_rows` says to how many rows a step should be padded. Dropouts are left out.
    A layer's own weights are freed before the next one is packed. If torch lacks an operator, or it
    computes something else, nothing is replaced. FBGEMM's products are float32, so beside them
    everything is, but for embeddings, which look up float16 and return float32.
    """
    names = [name for name, layer in network.named_modules() if _is_plain_linear(layer)]
    if not names or not _is_packable(_get_linear(network, names[0]), int8=int8):
        return 0
    uses_fbgemm = int8 or _get_linear(network, names[0]).weight.dtype == torch.float16
    gelus = {} if int8 else _take_gelus(network)
    for name in names:
        layer = _get_linear(network, name)
        network.set_submodule(name, PackedLinear(layer, int8=int8, gelu=gelus.get(name)))
    for name, module in list(network.named_modules()):
        if type(module) is nn.Dropout:
            network.set_submodule(name, nn.Identity())
    packed: Any = network
    packed.min_rows = 1 if uses_fbgemm else MIN_ROWS
    if uses_fbgemm:
        _widen_to_float32(network)
    for values in (*network.parameters(), *network.buffers()):
        # Copy what stays (biases, norms): a tensor from the checkpoint keeps its whole file mapped.
        values.data = values.data.clone()
    return len(names)


def has_fbgemm() -> bool:
    """Return whether torch can pack float16 and int8 on this processor: x86 with AVX2."""
    return FBGEMM in torch.backends.quantized.supported_engines


def has_native_bfloat16() -> bool:
    """Return whether this processor has instructions for bfloat16 (AVX-512-BF16 or AMX)."""
    cpu: Any = torch.cpu
    return bool(cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())  # noqa: SLF001


def has_vnni() -> bool:
    """Return whether this processor adds products of int8 numbers in 32 bits (AVX-512-VNNI)."""
    cpu: Any = torch.cpu
    return bool(cpu._is_vnni_supported())  # noqa: SLF001


def describe_packing(num_layers: int, name: str) -> str:
    """Return the log line about a network of which `num_layers` layers were packed in a format."""
    if not num_layers:
        return f"linear layers are not packed: torch can't pack {name} on this processor"
    kind, is_there = ("VNNI", has_vnni()) if name == "int8" else ("bfloat16", has_native_bfloat16())
    verb = "has" if is_there else "lacks"
    layers = "1 linear layer is" if num_layers == 1 else f"{num_layers} linear layers are"
    return f"{layers} packed in {name}; the CPU {verb} {kind} instructions"


def check_int8_share(network: nn.Module) -> None:
    """Raise `LoadError` if less than half of a network's weights are in layers to pack."""
    packed = sum(layer.weight.numel() for layer in network.modules() if type(layer) is nn.Linear)
    unpacked = _count_unpacked_weights(network)
    if packed < unpacked:
        raise LoadError(
            f"STARCHAT_QUANTIZATION=int8 packs only {packed / (packed + unpacked):.0%} of the "
            f"weights of {type(network).__name__} on a CPU: leave it out"
        )


def count_widened_bytes(network: nn.Module, dtype: torch.dtype) -> int:
    """Return the bytes by which weights of `dtype` grow that FBGEMM's packing makes float32."""
    return _count_unpacked_weights(network) * (torch.float32.itemsize - dtype.itemsize)


def _count_unpacked_weights(network: nn.Module) -> int:
    """Return the number of weights in matrices of other layers, as GPT-2's Conv1D."""
    return sum(
        values.numel()
        for module in network.modules()
        if type(module) is not nn.Linear and not isinstance(module, nn.Embedding)
        for values in module.parameters(recurse=False)
        if values.ndim > 1
    )


def _is_plain_linear(layer: nn.Module) -> bool:
    return type(layer) is nn.Linear and layer.weight.dtype in DTYPES


def _get_linear(network: nn.Module, name: str) -> nn.Linear:
    return cast("nn.Linear", network.get_submodule(name))


def _take_gelus(network: nn.Module) -> dict[str, str]:
    """
    Take out of a network the GELUs that oneDNN computes with the product before them.

    Returns oneDNN's name of each by the name of the layer before it. In float32 this is slower
    without AVX-512.
    """
    dtypes = [torch.bfloat16]
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        dtypes.append(torch.float32)
    gelus = {}
    for name, module in network.named_modules():
        if type(module).__name__ not in MLP_CLASSES:
            continue
        mlp: Any = module
        algorithm = GELU_ALGORITHMS.get(type(mlp.act))
        if algorithm is not None and mlp.c_fc.weight.dtype in dtypes:
            gelus[f"{name}.c_fc"] = algorithm
            mlp.act = nn.Identity()
    return gelus


def _is_packable(layer: nn.Linear, *, int8: bool) -> bool:
    """
    Whether a layer is on the CPU and the operators multiply correctly in its number format.

    The numbers of the sample are 1 and -1, which every format holds. In int8 they are the largest
    ones, so sums that overflow show.
    """
    if layer.weight.device.type != "cpu":
        return False
    dtype = layer.weight.dtype
    sample = nn.Linear(layer.in_features, SAMPLE_SIZE, bias=False, dtype=dtype)
    signs = torch.arange(2.0 * SAMPLE_SIZE * layer.in_features).sin().sign()
    weight, rows = signs.view(2, SAMPLE_SIZE, -1)
    sample.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
    expected = rows @ weight.t()
    try:
        with torch.inference_mode():
            rows = rows if int8 or dtype == torch.float16 else rows.to(dtype)
            error = PackedLinear(sample, int8=int8)(rows) - expected
        return bool(error.norm() < MAX_SAMPLE_ERROR * expected.norm())
    except (AttributeError, RuntimeError):
        return False


def _widen_to_float32(network: nn.Module) -> None:
    """Make everything float32, but for the weights of embeddings: only their output is."""
    for module in network.modules():
        if isinstance(module, nn.Embedding):
            module.register_forward_hook(lambda _module, _ids, rows: rows.float())
            continue
        for values in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if values.is_floating_point():
                values.data = values.data.float()


def _find_function(operator: Any) -> Callable[..., Tensor]:
    """Return an operator's function, without a check of all arguments in Python at each call."""
    function: Callable[..., Tensor] = operator._op  # noqa: SLF001
    return function


def _pack_onednn(layer: nn.Linear, gelu: str | None) -> MatrixProduct:
    weight = ONEDNN_OPS._reorder_linear_weight(layer.weight.detach(), PACKED_ROWS)  # noqa: SLF001
    # With its check of arguments: a compiler can read no other form of it.
    multiply: Callable[..., Tensor] = ONEDNN_OPS._linear_pointwise.default  # noqa: SLF001
    layer_bias: Tensor | None = layer.bias
    bias = None if layer_bias is None else layer_bias.clone()
    activation: tuple[str, list[float], str]
    activation = ("none", [], "") if gelu is None else ("gelu", [], gelu)

    return lambda rows: multiply(rows, weight, bias, *activation)


def _pack_half(layer: nn.Linear) -> MatrixProduct:
    """Return the product of float32 rows with float16 weights. Raises `RuntimeError` without it."""
    torch.backends.quantized.engine = FBGEMM
    packed = FBGEMM_OPS.linear_prepack_fp16(layer.weight.detach().float(), _widen_bias(layer))
    multiply = _find_function(FBGEMM_OPS.linear_dynamic_fp16.default)
    return lambda rows: multiply(rows, packed)


def _pack_int8(layer: nn.Linear) -> MatrixProduct:
    """
    Return the product of float32 rows with int8 weights, which have one scale per output.

    Rows are rounded to 8 bits with one scale each. Sums of integers are exact. Raises
    `RuntimeError` without FBGEMM.
    """
    torch.backends.quantized.engine = FBGEMM
    weight = layer.weight.detach().float()
    scales = _compute_scales(weight, MAX_INT8 if has_vnni() else MAX_WEIGHT_WITHOUT_VNNI)
    quantized = torch._make_per_channel_quantized_tensor(  # noqa: SLF001
        (weight / scales).round().to(torch.int8),
        scales.flatten().double(),
        torch.zeros(len(scales), dtype=torch.int64),
        axis=0,
    )
    packed = FBGEMM_OPS.linear_prepack(quantized, None)
    multiply = _find_function(FBGEMM_OPS.linear_with_input_q_dq_qweight_dq_output_fp32.default)
    bias = _widen_bias(layer)

    def round_and_multiply(rows: Tensor) -> Tensor:
        row_scales = _compute_scales(rows, MAX_INT8)
        # The operator rounds to unsigned numbers, in which 128 is zero.
        product = multiply(rows / row_scales, 1.0, MAX_INT8 + 1, packed).mul_(row_scales)
        return product if bias is None else product.add_(bias)

    return round_and_multiply


def _compute_scales(rows: Tensor, largest: int) -> Tensor:
    """Return `[…, 1]`: what to divide each row by, so that its largest number becomes `largest`."""
    return rows.abs().amax(-1, keepdim=True).clamp_min_(MIN_SCALE).div_(largest)


def _widen_bias(layer: nn.Linear) -> Tensor | None:
    bias: Tensor | None = layer.bias
    return None if bias is None else bias.float()
