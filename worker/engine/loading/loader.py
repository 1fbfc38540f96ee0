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

from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig

from worker.engine import LoadError, ModelInfo
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.verify import verify_model
from worker.engine.loading.adapter import Adapter
from worker.engine.loading.checkpoint import display_name, list_weight_files
from worker.engine.loading.device import select_device
from worker.engine.loading.gguf import convert_gguf
from worker.engine.loading.memory import (
    choose_step_tokens,
    estimate_graph_bytes,
    plan_host_cache,
    plan_kv_cache,
    release_freed_memory,
)
from worker.engine.loading.narrowing import narrow_last_layer
from worker.engine.loading.progress import Progress, report_progress
from worker.engine.loading.revision import find_revision
from worker.engine.loading.weights import WeightsSource, load_weights
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


def load_model(
    checkpoint: Path,
    engine_config: EngineConfig,
    progress: Progress,
    adapter: Adapter | None = None,
) -> LoadedModel:
    """
    Load a checkpoint directory or `.gguf` file. Raises `LoadError` if it can't be served.

    `adapter` is what `find_adapter` returned for the checkpoint.
    """
    directory = _checkpoint_directory(
        adapter.base if adapter else checkpoint, engine_config, progress
    )
    hf_config = _load_hf_config(directory)
    device = select_device(engine_config.device)
    # A conversion, if there was one, has taken most of the time.
    first_fraction = 0.8 if checkpoint.suffix == ".gguf" else 0.1
    weights = load_weights(
        WeightsSource(directory, checkpoint.suffix == ".gguf", adapter),
        hf_config,
        engine_config,
        device,
        partial(report_progress, progress, "weights", (first_fraction, 0.9), device),
    )
    network = weights.network
    progress("checking", 0.9)
    layers = verify_model(network, rounds_rows=weights.rounds_rows)
    max_positions = _max_positions(network.config, engine_config)
    num_slots, max_positions = plan_kv_cache(
        engine_config,
        layers,
        max_positions,
        partial(estimate_graph_bytes, engine_config, layers, network.config, max_positions),
    )
    info = ModelInfo(
        name=display_name(engine_config.model, checkpoint),
        revision=find_revision(engine_config.revision, checkpoint),
        directory=directory.absolute(),
        max_positions=max_positions,
        vocab_size=min(network.config.vocab_size, len(network.get_input_embeddings().weight)),
        eos_ids=_eos_ids(network),
        device=str(device),
        dtype=weights.format_name,
        slots=num_slots,
    )
    kv_cache = KVCache(layers, num_slots, max_positions)
    if device.type == "cpu":
        narrow_last_layer(network, kv_cache)
        # The probes' tensors, too: 15 to 20 MB.
        release_freed_memory()
    return LoadedModel(
        network,
        kv_cache,
        info,
        choose_step_tokens(engine_config, device, weights.format_name),
        plan_host_cache(engine_config),
        weights.packing,
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
    except LoadError:
        raise
    # Parsers of a malformed file raise errors of any class.
    except Exception as error:
        raise LoadError(f"{checkpoint} can't be converted ({type(error).__name__})") from error


def _load_hf_config(directory: Path) -> Any:
    """Load the model configuration and check that the checkpoint is complete and supported."""
    try:
        raw = json.loads((directory / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise LoadError(f"{directory} has no readable config.json") from None
    if not list_weight_files(directory):
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
