"""
Weight quantization: int8, fp8 and nf4 (QLoRA, Dettmers et al., arXiv:2305.14314), for smaller GPUs.

Linear layers are quantized while they load; everything else keeps its dtype. int8 and fp8 take 8
bits a weight and a scale per row. fp8 also rounds the inputs of each layer, token by token, so that
a GPU with float8 arithmetic multiplies without unpacking the weights. nf4 with double quantization
takes 4 bits a weight and about 0.13 bits for two levels of scales. int8 on a CPU is packed
by `worker.engine.loading.cpu_linear` instead, and needs no package.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

import torch
from packaging.version import Version
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel, TorchAoConfig

from worker.engine import LoadError


@dataclass(frozen=True, slots=True)
class Scheme:
    """
    A quantization: package, bytes per weight, and transformers configuration by dtype.

    Older versions than `min_version` are far slower: bitsandbytes below 0.50 unpacks the weights at
    each call for more than one row.
    """

    package: str
    min_version: str
    bytes_per_weight: float
    build_config: Callable[[torch.dtype], Any]


def _int8_config(_dtype: torch.dtype) -> Any:
    return TorchAoConfig(import_module("torchao.quantization").Int8WeightOnlyConfig())


def _nf4_config(dtype: torch.dtype) -> Any:
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _fp8_config(_dtype: torch.dtype) -> Any:
    quantization = import_module("torchao.quantization")
    granularity = quantization.PerRow()
    return TorchAoConfig(
        quantization.Float8DynamicActivationFloat8WeightConfig(granularity=granularity)
    )


FP8_CAPABILITY: Final = (8, 9)
"""First compute capability with float8 arithmetic: RTX 40, L4, L40S; then H100 and newer."""

SCHEMES: Final = {
    "int8": Scheme("torchao", "0.18", 1.01, _int8_config),
    "fp8": Scheme("torchao", "0.18", 1.01, _fp8_config),
    "nf4": Scheme("bitsandbytes", "0.50", 0.52, _nf4_config),
}


def transformers_config(name: str | None, dtype: torch.dtype, device: torch.device) -> Any:
    """
    Return the configuration for transformers.

    Raises `LoadError` if the device lacks the arithmetic, or if the package is missing or older
    than the first version that is fast.
    """
    if name is None:
        return None
    scheme = _find_scheme(name)
    if name == "fp8":
        check_fp8(dtype, device)
    if find_spec(scheme.package) is None:
        raise LoadError(
            f"STARCHAT_QUANTIZATION={name} needs the package {scheme.package}: {sys.executable}"
            f" -m pip install '{scheme.package}>={scheme.min_version}'"
        )
    check_version(scheme.package, scheme.min_version)
    return scheme.build_config(dtype)


def check_fp8(dtype: torch.dtype, device: torch.device) -> None:
    """Raise `LoadError` unless the device multiplies float8 and the layers' dtype is bfloat16."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < FP8_CAPABILITY:
        major, minor = FP8_CAPABILITY
        raise LoadError(
            f"STARCHAT_QUANTIZATION=fp8 needs a GPU of compute capability {major}.{minor} or newer,"
            f" not {device}: use int8 or nf4"
        )
    if dtype != torch.bfloat16:
        raise LoadError(
            f"STARCHAT_QUANTIZATION=fp8 needs STARCHAT_DTYPE=bfloat16, not {str(dtype)[6:]}"
        )


def check_version(package: str, min_version: str) -> None:
    """Raise `LoadError` if a package is older than a version."""
    found = version(package)
    if Version(found) < Version(min_version):
        raise LoadError(f"quantization needs {package} {min_version} or newer, not {found}")


def quantized_bytes(name: str, network: PreTrainedModel, dtype: torch.dtype) -> int:
    """Return the bytes of a quantized network. The output layer isn't quantized, tied or not."""
    output = network.get_output_embeddings()
    layers = [m for m in network.modules() if isinstance(m, nn.Linear) and m is not output]
    quantized_weights = sum(layer.in_features * layer.out_features for layer in layers)
    other_weights = sum(map(torch.numel, network.parameters())) - quantized_weights
    return int(
        quantized_weights * _find_scheme(name).bytes_per_weight + other_weights * dtype.itemsize
    )


def _find_scheme(name: str) -> Scheme:
    if name not in SCHEMES:
        raise LoadError(f"STARCHAT_QUANTIZATION must be one of {', '.join(SCHEMES)}, not {name}")
    return SCHEMES[name]
