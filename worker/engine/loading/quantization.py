"""
Smaller weights for smaller cards: which package makes them, and how many bytes are left of them.

Linear layers are quantised while they are loaded, everything else keeps its number format. Sizes:
8 bits and a scale per row; 4 bits, and 4 more per 64 weights for two levels of scales (nf4 with
double quantisation, arXiv:2305.14314, section 3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import torch
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel, TorchAoConfig

from worker.engine import LoadError


@dataclass(frozen=True, slots=True)
class Kind:
    """The package that quantises so, bytes of a quantised weight, and what transformers is told."""

    package: str
    bytes: float
    config: Callable[[torch.dtype], Any]


def _int8(_dtype: torch.dtype) -> Any:
    return TorchAoConfig(import_module("torchao.quantization").Int8WeightOnlyConfig())


def _nf4(dtype: torch.dtype) -> Any:
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


KINDS: Final = {
    "int8": Kind("torchao", 1.01, _int8),
    "nf4": Kind("bitsandbytes", 0.52, _nf4),
}


def quantization(name: str | None, dtype: torch.dtype) -> Any:
    """Return the configuration for transformers. Raises `LoadError` without the package."""
    if name is None:
        return None
    kind = _kind(name)
    if find_spec(kind.package) is None:
        raise LoadError(
            f"STARCHAT_QUANTIZATION={name} needs the package {kind.package}: "
            f"pip install 'starchat-slack[{name}]'"
        )
    return kind.config(dtype)


def quantized(name: str, network: PreTrainedModel, dtype: torch.dtype) -> int:
    """Return the bytes of a network's weights; its output layer, tied or not, stays as it is."""
    output = network.get_output_embeddings()  # type: ignore[no-untyped-call]
    layers = [m for m in network.modules() if isinstance(m, nn.Linear) and m is not output]
    small = sum(layer.in_features * layer.out_features for layer in layers)
    rest = sum(map(torch.numel, network.parameters())) - small
    return int(small * _kind(name).bytes + rest * dtype.itemsize)


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise LoadError(f"quantize must be {' or '.join(KINDS)}, not {name}")
    return KINDS[name]
