"""
Loading and packing of a checkpoint's weights, in the number format that fits device and settings.

What runs is what is reported: a format that can't be packed on this CPU gives way to float32.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from worker.engine import LoadError
from worker.engine.loading.adapter import Adapter
from worker.engine.loading.adapter_merge import merge_adapter
from worker.engine.loading.checkpoint import list_weight_files
from worker.engine.loading.cpu_linear import (
    check_int8_share,
    count_widened_bytes,
    describe_packing,
    has_fbgemm,
    pack_layers,
)
from worker.engine.loading.device import find_stored_dtype, name_dtype, select_dtype
from worker.engine.loading.mapped_embedding import map_tied_embedding
from worker.engine.loading.memory import check_size, free_bytes, release_freed_memory
from worker.engine.loading.quantization import quantized_bytes, transformers_config
from worker.engine.protocol import EngineConfig

INT8_NEEDS_FBGEMM: Final = (
    "STARCHAT_QUANTIZATION=int8 on a CPU needs FBGEMM, which torch has on x86 with AVX2"
)

ADAPTER_IS_QUANTIZED: Final = (
    "an adapter can't be merged into weights of STARCHAT_QUANTIZATION={}: merge and save it first"
)


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """
    Where weights come from: a checkpoint directory, and an adapter to merge into them.

    `is_converted`: the directory was made from a `.gguf` file.
    """

    directory: Path
    is_converted: bool = False
    adapter: Adapter | None = None


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """
    A network with its weights.

    `format_name` is its number format or quantization. `packing` says how a CPU's linear layers are
    packed, in one line for the log. `rounds_rows`: its layers round their inputs to 8 bits.
    """

    network: Any
    format_name: str
    packing: str = ""
    rounds_rows: bool = False


def load_weights(
    source: WeightsSource,
    hf_config: Any,
    engine_config: EngineConfig,
    device: torch.device,
    report: Callable[[int], AbstractContextManager[object]],
) -> LoadedWeights:
    """
    Load a checkpoint's weights. Raises `LoadError` if they don't fit or can't be loaded.

    `report` reports the progress of loading a number of bytes.
    """
    directory, quantization = source.directory, engine_config.quantization
    if device.type == "cpu" and quantization == "int8":
        return _load_int8(source, hf_config, engine_config, report)
    if source.adapter is not None and quantization is not None:
        # transformers quantizes while it reads: the sum would be rounded twice.
        raise LoadError(ADAPTER_IS_QUANTIZED.format(quantization))
    stored_dtype = find_stored_dtype(hf_config, directory)
    # A `.gguf` file is quantized; its conversion stores float32 to lose nothing more.
    best_dtype = None if source.is_converted else stored_dtype
    # On a CPU, packages compute in float32.
    best_dtype = best_dtype if quantization is None else torch.float32
    dtype = select_dtype(engine_config.dtype, device, best_dtype)
    quantization_config = transformers_config(quantization, dtype, device)
    if quantization is not None:
        empty_network = _build_empty_network(directory, hf_config)
        weight_bytes = quantized_bytes(quantization, empty_network, dtype)
    else:
        weight_bytes = _count_bytes(directory, stored_dtype, dtype)
        if device.type == "cpu" and dtype == torch.float16:
            empty_network = _build_empty_network(directory, hf_config)
            weight_bytes += count_widened_bytes(empty_network, dtype)
    check_size(weight_bytes, device, quantization or name_dtype(dtype))
    with report(weight_bytes):
        network = _read_weights(source, device, dtype, quantization_config)
        if device.type == "cpu" and quantization is None:
            return _pack_weights(network, directory, dtype, engine_config.dtype)
    return LoadedWeights(network, quantization or name_dtype(dtype))


def _load_int8(
    source: WeightsSource,
    hf_config: Any,
    engine_config: EngineConfig,
    report: Callable[[int], AbstractContextManager[object]],
) -> LoadedWeights:
    """Load weights in 16 bits on a CPU and pack them in int8: transformers only loads them."""
    if not has_fbgemm():
        raise LoadError(INT8_NEEDS_FBGEMM)
    directory, device = source.directory, torch.device("cpu")
    dtype_name = "float16" if engine_config.dtype == "auto" else engine_config.dtype
    dtype = select_dtype(dtype_name, device)
    empty_network = _build_empty_network(directory, hf_config)
    check_int8_share(empty_network)
    weight_bytes = _count_bytes(directory, find_stored_dtype(hf_config, directory), dtype)
    weight_bytes += count_widened_bytes(empty_network, dtype)
    check_size(weight_bytes, device, name_dtype(dtype))
    with report(weight_bytes):
        network = _read_weights(source, device, dtype, None)
        num_layers = pack_layers(network, int8=True)
    if not num_layers:
        raise LoadError(INT8_NEEDS_FBGEMM)
    map_tied_embedding(network, directory)
    release_freed_memory()
    packing = describe_packing(num_layers, "int8")
    return LoadedWeights(network, "int8", packing, rounds_rows=True)


def _count_bytes(directory: Path, stored_dtype: torch.dtype | None, dtype: torch.dtype) -> int:
    """Return the bytes of a checkpoint's weights in `dtype`."""
    scale = dtype.itemsize / stored_dtype.itemsize if stored_dtype else 1.0
    return int(scale * sum(file.stat().st_size for file in list_weight_files(directory)))


def _build_empty_network(directory: Path, hf_config: Any) -> Any:
    """Return a network without memory for its weights, for counting them."""
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(hf_config)
    # Each architecture raises errors of its own.
    except Exception as error:
        raise _describe_failure(directory, error) from error


def _describe_failure(directory: Path, error: Exception) -> LoadError:
    return LoadError(f"transformers can't load {directory} ({type(error).__name__})")


def _read_weights(
    source: WeightsSource, device: torch.device, dtype: torch.dtype, quantization_config: Any
) -> Any:
    # accelerate may place weights on this device only: a step that crosses devices, or reads
    # layers from a disk, is slower than a second worker.
    place = "cpu" if device.type == "cpu" else (device.index or 0)
    try:
        network = AutoModelForCausalLM.from_pretrained(
            source.directory,
            dtype=dtype,
            device_map="auto",
            max_memory={place: free_bytes(device)},
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
            quantization_config=quantization_config,
        )
    # safetensors' error derives from Exception directly.
    except Exception as error:
        raise _describe_failure(source.directory, error) from error
    check_placement(network, device)
    if source.adapter is not None:
        network = merge_adapter(network, source.adapter)
    network.train(mode=False)
    network.requires_grad_(requires_grad=False)
    return network


def _pack_weights(
    network: Any, directory: Path, dtype: torch.dtype, dtype_name: str
) -> LoadedWeights:
    """Pack the linear layers of a network on the CPU; `dtype_name` is the setting."""
    num_layers = pack_layers(network)
    if not num_layers and dtype == torch.float16:
        # torch's own float16 product is slow on a CPU, and rounds between layers.
        network.float()
        dtype = torch.float32
        num_layers = pack_layers(network)
    if num_layers:
        map_tied_embedding(network, directory)
    release_freed_memory()
    name = name_dtype(dtype)
    line = describe_packing(num_layers, name)
    if dtype_name == "float16" != name:
        line = f"float16 can't be packed here: {line}"
    return LoadedWeights(network, name, line)


def check_placement(network: nn.Module, device: torch.device) -> None:
    """Raise `LoadError` if accelerate placed weights elsewhere because the device is full."""
    if any(weights.device.type != device.type for weights in network.parameters()):
        raise LoadError(f"the weights don't fit in the free memory of {device}")
