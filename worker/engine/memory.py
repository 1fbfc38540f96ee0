"""How much memory is free, and how many slots of how many positions fit into it."""

from pathlib import Path
from typing import Final

import torch

from worker.engine import LoadError
from worker.engine.options import Options
from worker.engine.slots import Layer

SLOTS: Final = {"cuda": 32, "cpu": 8}
"""How many slots there are where the options do not say and memory does not limit them."""

SHARE: Final = {"cuda": 0.8, "cpu": 0.5}
"""How much of what is free after loading the slots may take."""

LEAST_POSITIONS: Final = 256
"""A slot with fewer positions is of no use."""


def free_bytes(device: torch.device) -> int:
    """Return how many bytes can still be taken on a device; on several GPUs, on all of them."""
    if device.type == "cuda":
        count = torch.cuda.device_count()
        return sum(torch.cuda.mem_get_info(index)[0] for index in range(count))
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise LoadError("the system does not say how much memory is free")


def room(options: Options, layers: tuple[Layer, ...], positions: int) -> tuple[int, int]:
    """Return how many slots of how many positions there are. Raises `LoadError`."""
    kind = layers[0].device.type
    count = options.slots or SLOTS[kind]
    size = sum(layer.bytes for layer in layers)
    limit = options.cache_bytes or int(SHARE[kind] * free_bytes(layers[0].device))
    count = max(1, min(count, limit // (size * positions)))
    held = min(positions, limit // (size * count))
    if held < min(positions, LEAST_POSITIONS):
        raise LoadError(
            f"{limit / 1e6:.0f} MB for keys and values hold {held} positions,"
            f" a slot needs {LEAST_POSITIONS}"
        )
    return count, held
