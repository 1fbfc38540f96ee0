"""How much memory is free, and how many slots of how many positions fit into it."""

import sys
from pathlib import Path
from typing import Any, Final

import torch

from worker.engine import LoadError
from worker.engine.attention.kv_cache import LayerSpec
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.options import EngineConfig

DEFAULT_SLOTS: Final = {"cuda": 32, "cpu": 8}
"""How many slots there are where the options do not say and memory does not limit them."""

KV_CACHE_MEMORY_SHARE: Final = {"cuda": 0.8, "cpu": 0.5}
"""How much of what is free after loading the slots may take."""

HOST_CACHE_MEMORY_SHARE: Final = 0.25
"""How much of the host's free memory the pasts may take that no slot holds any more."""

GRAPH_BYTES_PER_LAYER: Final = 400_000
"""
Bytes that a driver keeps for one layer of one recorded step, about.

What vLLM's log says of its own recordings (0.5 to 1 GB for 35 to 67 of 32 layers), taken at its
upper end; nothing has been measured here.
"""

MIN_SLOT_POSITIONS: Final = 256
"""A slot with fewer positions is of no use."""


CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
"""Where a container's limit stands."""


def free_bytes(device: torch.device) -> int:
    """Return how many bytes can still be taken on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    available = _read_field(Path("/proc/meminfo"), "MemAvailable:")
    if available is None:
        raise LoadError("the system does not say how much memory is free")
    return min(available * 1024, _cgroup_free_bytes())


def used_bytes(device: torch.device) -> int:
    """Return how many bytes this process has taken on a device."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return (_read_field(Path("/proc/self/status"), "VmRSS:") or 0) * 1024


def _cgroup_free_bytes() -> int:
    """Return what a container's limit leaves; what the system merely caches can be taken back."""
    try:
        limit = int((CGROUP_ROOT / "memory.max").read_text("ascii"))
    except (OSError, ValueError):
        return sys.maxsize
    return max(0, limit - (_read_field(CGROUP_ROOT / "memory.stat", "anon") or 0))


def _read_field(file: Path, name: str) -> int | None:
    """Return the number after a name in a file of the system."""
    try:
        lines = file.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), None)


def plan_kv_cache(
    engine_config: EngineConfig,
    layers: tuple[LayerSpec, ...],
    max_positions: int,
    reserved_bytes: int = 0,
) -> tuple[int, int]:
    """
    Return how many slots of how many positions there are; `aside` bytes are for something else.

    Raises `LoadError`.
    """
    device_type = layers[0].device.type
    num_slots = engine_config.slots or DEFAULT_SLOTS[device_type]
    bytes_per_token = sum(layer.bytes_per_token for layer in layers)
    available_bytes = max(0, free_bytes(layers[0].device) - reserved_bytes)
    limit_bytes = engine_config.kv_cache_bytes or int(
        KV_CACHE_MEMORY_SHARE[device_type] * available_bytes
    )
    num_slots = max(1, min(num_slots, limit_bytes // (bytes_per_token * max_positions)))
    slot_positions = min(max_positions, limit_bytes // (bytes_per_token * num_slots))
    if slot_positions < min(max_positions, MIN_SLOT_POSITIONS):
        raise LoadError(
            f"{limit_bytes / 1e6:.0f} MB for keys and values hold {slot_positions} positions,"
            f" a slot needs {MIN_SLOT_POSITIONS}"
        )
    return num_slots, slot_positions


def estimate_graph_bytes(
    engine_config: EngineConfig, layers: tuple[LayerSpec, ...], hf_config: Any, max_positions: int
) -> int:
    """
    Return the bytes that recorded steps take beside the slots of a model with this configuration.

    What a step needs for a while is taken twice at most, once while it is tried out and once where
    it is recorded; all recordings share the latter.
    """
    device_type = layers[0].device.type
    if device_type == "cpu" or not engine_config.cuda_graphs:
        return 0
    shapes = GraphShapes(
        engine_config.slots or DEFAULT_SLOTS[device_type],
        max_positions,
        engine_config.num_speculative_tokens,
    ).list_shapes()
    layer = max(layers, key=lambda layer: layer.bytes_per_token)
    itemsize = layer.dtype.itemsize
    max_bytes = 0
    for shape in shapes:
        logits = shape.num_rows * hf_config.vocab_size * (itemsize + 4)
        gathered = (
            0 if shape.all_slots else shape.num_requests * shape.kv_length * layer.bytes_per_token
        )
        # Scores, scores with their mask and weights, where the attention writes them down.
        scores = shape.num_rows * hf_config.num_attention_heads * shape.kv_length * (itemsize + 12)
        max_bytes = max(max_bytes, logits + gathered + scores)
    return 2 * max_bytes + len(shapes) * len(layers) * GRAPH_BYTES_PER_LAYER


def plan_host_cache(engine_config: EngineConfig) -> int:
    """Return how many bytes of the host's memory are for pasts that no slot holds any more."""
    if engine_config.host_cache_bytes is not None:
        return engine_config.host_cache_bytes
    return int(HOST_CACHE_MEMORY_SHARE * free_bytes(torch.device("cpu")))
