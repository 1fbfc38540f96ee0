"""
Model loader: loads a checkpoint by transformers and verifies it on the attention backend.

Loads only safetensors and never runs code from a checkpoint. Every failure is a `LoadError` with
one line for the operator.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

from worker.engine import LoadError, ModelInfo
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.verify import verify_model
from worker.engine.loading.checkpoint import display_name
from worker.engine.loading.cpu_linear import describe_packing, pack_layers
from worker.engine.loading.device import select_device, select_dtype
from worker.engine.loading.gguf import convert_gguf
from worker.engine.loading.memory import (
    DEFAULT_STEP_TOKENS,
    estimate_graph_bytes,
    free_bytes,
    plan_host_cache,
    plan_kv_cache,
    release_freed_memory,
)
from worker.engine.loading.progress import Progress, report_progress
from worker.engine.loading.quantization import quantized_bytes, transformers_config
from worker.engine.protocol import EngineConfig, gguf_cache_directory


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """
    A loaded model: weights, KV cache and the description for the parent.

    `packing` says how a CPU's linear layers are packed, in one line for the log.
    """

    network: nn.Module
    kv_cache: KVCache
    info: ModelInfo
    max_step_tokens: int
    host_cache_bytes: int
    packing: str = ""


def load_model(checkpoint: Path, engine_config: EngineConfig, progress: Progress) -> LoadedModel:
    """Load a checkpoint directory or `.gguf` file. Raises `LoadError` if it can't be served."""
    directory = _checkpoint_directory(checkpoint, engine_config, progress)
    hf_config = _load_hf_config(directory)
    device = select_device(engine_config.device)
    # On a CPU int8 weights are packed here; transformers only loads them.
    packs_int8 = device.type == "cpu" and engine_config.quantization == "int8"
    load_quantization = None if packs_int8 else engine_config.quantization
    # A `.gguf` file is quantized; its conversion stores float32 to lose nothing more.
    stored_dtype = None if checkpoint.suffix == ".gguf" else _stored_dtype(hf_config)
    # On a CPU, packages compute in float32.
    stored_dtype = stored_dtype if load_quantization is None else torch.float32
    dtype_name = "float16" if packs_int8 and engine_config.dtype == "auto" else engine_config.dtype
    dtype = select_dtype(dtype_name, device, stored_dtype)
    quantization_config = transformers_config(load_quantization, dtype, device)
    weight_bytes = _weight_bytes(directory, hf_config, dtype, load_quantization)
    _check_size(weight_bytes, device, load_quantization or _dtype_name(dtype))
    # A conversion, if there was one, has taken most of the time.
    first_fraction = 0.1 if directory == checkpoint else 0.8
    with report_progress(progress, "weights", (first_fraction, 0.9), device, weight_bytes):
        network = _load_weights(directory, device, dtype, quantization_config)
        packs = device.type == "cpu" and quantization_config is None
        format_name = engine_config.quantization or _dtype_name(dtype)
        packing = _pack_weights(network, format_name) if packs else ""
    progress("checking", 0.9)
    layers = verify_model(network, rounds_rows=packs_int8)
    max_positions = _max_positions(network.config, engine_config)
    num_slots, max_positions = plan_kv_cache(
        engine_config,
        layers,
        max_positions,
        partial(estimate_graph_bytes, engine_config, layers, network.config, max_positions),
    )
    info = ModelInfo(
        name=display_name(engine_config.model, checkpoint),
        revision=engine_config.revision,
        directory=directory.absolute(),
        max_positions=max_positions,
        vocab_size=min(network.config.vocab_size, len(network.get_input_embeddings().weight)),
        eos_ids=_eos_ids(network),
        device=str(device),
        dtype=format_name,
        slots=num_slots,
    )
    max_step_tokens = engine_config.max_step_tokens or DEFAULT_STEP_TOKENS[device.type]
    return LoadedModel(
        network,
        KVCache(layers, num_slots, max_positions),
        info,
        max_step_tokens,
        plan_host_cache(engine_config),
        packing,
    )


def _checkpoint_directory(
    checkpoint: Path, engine_config: EngineConfig, progress: Progress
) -> Path:
    """Return the checkpoint directory; converts a `.gguf` file."""
    if checkpoint.suffix != ".gguf":
        return checkpoint
    cache = Path(engine_config.gguf_cache) if engine_config.gguf_cache else gguf_cache_directory()
    try:
        return convert_gguf(checkpoint, cache, progress)
    # Parsers of a malformed file raise errors of any class.
    except Exception as error:
        raise LoadError(f"{checkpoint} can't be converted ({type(error).__name__})") from error


def _load_hf_config(directory: Path) -> Any:
    """Load the model configuration and check that the checkpoint is complete and supported."""
    try:
        raw = json.loads((directory / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise LoadError(f"{directory} has no readable config.json") from None
    if not list(directory.glob("*.safetensors")):
        raise LoadError(f"{directory} has no weights in safetensors format")
    if not (directory / "tokenizer.json").is_file():
        raise LoadError(f"{directory} has no tokenizer.json")
    if raw.get("model_type") not in CONFIG_MAPPING:
        reason = (
            "needs code from the checkpoint, which StarChat never runs"
            if "auto_map" in raw
            else "is unknown to transformers"
        )
        raise LoadError(f"the model type '{raw.get('model_type')}' {reason}")
    try:
        return AutoConfig.from_pretrained(directory, trust_remote_code=False)
    # Each architecture validates its fields with errors of its own.
    except Exception as error:
        raise LoadError(
            f"transformers rejects config.json in {directory} ({type(error).__name__})"
        ) from error


def _stored_dtype(hf_config: Any) -> torch.dtype | None:
    """Return the number format of the checkpoint; `None` if it doesn't say."""
    stored = getattr(hf_config, "dtype", None)
    return stored if isinstance(stored, torch.dtype) else None


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _weight_bytes(
    directory: Path, hf_config: Any, dtype: torch.dtype, quantization: str | None
) -> int:
    """Return the bytes of the weights in `dtype`, or quantized."""
    if quantization is not None:
        with torch.device("meta"):
            network = AutoModelForCausalLM.from_config(hf_config)
        return quantized_bytes(quantization, network, dtype)
    stored = _stored_dtype(hf_config)
    scale = dtype.itemsize / stored.itemsize if stored else 1.0
    return int(scale * sum(file.stat().st_size for file in directory.glob("*.safetensors")))


def _check_size(weight_bytes: int, device: torch.device, format_name: str) -> None:
    """Refuse weights that can't fit, before loading runs out of memory."""
    free = free_bytes(device)
    if weight_bytes > free:
        raise LoadError(
            f"the weights need {weight_bytes / 1e9:.1f} GB in {format_name}, but only"
            f" {free / 1e9:.1f} GB are free on {device};"
            " STARCHAT_QUANTIZATION=int8 or nf4 makes them smaller"
        )


def _load_weights(
    directory: Path, device: torch.device, dtype: torch.dtype, quantization_config: Any
) -> Any:
    # accelerate may place weights on this device only: a step that crosses devices, or reads
    # layers from a disk, is slower than a second worker.
    place = "cpu" if device.type == "cpu" else (device.index or 0)
    try:
        network = AutoModelForCausalLM.from_pretrained(
            directory,
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
        raise LoadError(f"transformers can't load {directory} ({type(error).__name__})") from error
    check_placement(network, device)
    network.train(mode=False)
    network.requires_grad_(requires_grad=False)
    return network


def _pack_weights(network: Any, format_name: str) -> str:
    """Pack the linear layers of a network on the CPU; returns a line for the log."""
    num_layers = pack_layers(network, int8=format_name == "int8")
    release_freed_memory()
    if format_name == "int8" and not num_layers:
        raise LoadError(
            "STARCHAT_QUANTIZATION=int8 on a CPU needs FBGEMM, which torch has on x86 with AVX2"
        )
    return describe_packing(num_layers, format_name)


def check_placement(network: nn.Module, device: torch.device) -> None:
    """Raise `LoadError` if accelerate placed weights elsewhere because the device is full."""
    if any(weights.device.type != device.type for weights in network.parameters()):
        raise LoadError(f"the weights don't fit in the free memory of {device}")


def _max_positions(hf_config: Any, engine_config: EngineConfig) -> int:
    model_positions = getattr(hf_config, "max_position_embeddings", None)
    if not isinstance(model_positions, int):
        raise LoadError("config.json has no max_position_embeddings")
    return min(model_positions, engine_config.max_positions or model_positions)


def _eos_ids(network: Any) -> tuple[int, ...]:
    eos = network.generation_config.eos_token_id
    if eos is None:
        eos = network.config.eos_token_id
    if eos is None:
        return ()
    return (eos,) if isinstance(eos, int) else tuple(eos)
