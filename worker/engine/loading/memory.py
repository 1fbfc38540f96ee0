"""How much memory is free, and how many slots of how many positions fit into it."""

import sys
from pathlib import Path
from typing import Any, Final

import torch

from worker.engine import LoadError
from worker.engine.attention.kv_cache import Layer
from worker.engine.cuda_graphs.shapes import Buckets
from worker.engine.options import Options

SLOTS: Final = {"cuda": 32, "cpu": 8}
"""How many slots there are where the options do not say and memory does not limit them."""

SHARE: Final = {"cuda": 0.8, "cpu": 0.5}
"""How much of what is free after loading the slots may take."""

SHELF: Final = 0.25
"""How much of the host's free memory the pasts may take that no slot holds any more."""

NODES: Final = 400_000
"""
Bytes that a driver keeps for one layer of one recorded step, about.

What vLLM's log says of its own recordings (0.5 to 1 GB for 35 to 67 of 32 layers), taken at its
upper end; nothing has been measured here.
"""

LEAST_POSITIONS: Final = 256
"""A slot with fewer positions is of no use."""


GROUP: Final = Path("/sys/fs/cgroup")
"""Where a container's limit stands."""


def free_bytes(device: torch.device) -> int:
    """Return how many bytes can still be taken on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    available = _field(Path("/proc/meminfo"), "MemAvailable:")
    if available is None:
        raise LoadError("the system does not say how much memory is free")
    return min(available * 1024, _left_in_group())


def taken_bytes(device: torch.device) -> int:
    """Return how many bytes this process has taken on a device."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return (_field(Path("/proc/self/status"), "VmRSS:") or 0) * 1024


def _left_in_group() -> int:
    """Return what a container's limit leaves; what the system merely caches can be taken back."""
    try:
        limit = int((GROUP / "memory.max").read_text("ascii"))
    except (OSError, ValueError):
        return sys.maxsize
    return max(0, limit - (_field(GROUP / "memory.stat", "anon") or 0))


def _field(file: Path, name: str) -> int | None:
    """Return the number after a name in a file of the system."""
    try:
        lines = file.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), None)


def room(
    options: Options, layers: tuple[Layer, ...], positions: int, aside: int = 0
) -> tuple[int, int]:
    """
    Return how many slots of how many positions there are; `aside` bytes are for something else.

    Raises `LoadError`.
    """
    kind = layers[0].device.type
    count = options.slots or SLOTS[kind]
    size = sum(layer.bytes for layer in layers)
    free = max(0, free_bytes(layers[0].device) - aside)
    limit = options.cache_bytes or int(SHARE[kind] * free)
    count = max(1, min(count, limit // (size * positions)))
    held = min(positions, limit // (size * count))
    if held < min(positions, LEAST_POSITIONS):
        raise LoadError(
            f"{limit / 1e6:.0f} MB for keys and values hold {held} positions,"
            f" a slot needs {LEAST_POSITIONS}"
        )
    return count, held


def recorded(options: Options, layers: tuple[Layer, ...], model: Any, positions: int) -> int:
    """
    Return the bytes that recorded steps take beside the slots of a model with this configuration.

    What a step needs for a while is taken twice at most, once while it is tried out and once where
    it is recorded; all recordings share the latter.
    """
    kind = layers[0].device.type
    if kind == "cpu" or not options.graphs:
        return 0
    buckets = Buckets(options.slots or SLOTS[kind], positions, options.drafted).all()
    layer = max(layers, key=lambda layer: layer.bytes)
    size = layer.dtype.itemsize
    most = 0
    for bucket in buckets:
        logits = bucket.rows * model.vocab_size * (size + 4)
        gathered = 0 if bucket.whole else bucket.lanes * bucket.length * layer.bytes
        # Scores, scores with their mask and weights, where the attention writes them down.
        scores = bucket.rows * model.num_attention_heads * bucket.length * (size + 12)
        most = max(most, logits + gathered + scores)
    return 2 * most + len(buckets) * len(layers) * NODES


def shelf(options: Options) -> int:
    """Return how many bytes of the host's memory are for pasts that no slot holds any more."""
    if options.shelf_bytes is not None:
        return options.shelf_bytes
    return int(SHELF * free_bytes(torch.device("cpu")))
