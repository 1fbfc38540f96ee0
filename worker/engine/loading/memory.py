"""Memory planning: free memory, and the sizes of the KV cache, CUDA graphs and host cache."""

import contextlib
import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from worker.engine import LoadError
from worker.engine.attention.layer_spec import LayerSpec
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.loading.cpu_linear import has_native_bfloat16
from worker.engine.protocol import EngineConfig

DEFAULT_SLOTS: Final = {"cuda": (64, 32), "cpu": (8,)}
"""
Default numbers of slots by device type; the one of which most slots fit counts.

CUDA graphs of more slots take more memory, which a small GPU needs for the slots themselves.
"""

KV_CACHE_MEMORY_SHARE: Final = {"cuda": 0.8, "cpu": 0.5}
"""Maximum share of the free memory that the KV cache takes after loading."""

HOST_CACHE_MEMORY_SHARE: Final = 0.25
"""Maximum share of the host's free memory that the prefix caches of all its GPUs take."""

MAX_HOST_CACHE_BYTES: Final = 32 * 10**9
"""Maximum size of one prefix cache in host memory: 1.6 million tokens of StarChat."""

GRAPH_BYTES_PER_LAYER: Final = 400_000
"""
Driver memory of one layer in one CUDA graph, in bytes; an estimate.

Upper end of what vLLM logs (0.5 to 1 GB for 35 to 67 graphs of 32 layers); not measured here.
"""

ACTIVATION_WIDTHS: Final = 16
"""Numbers that a layer holds per token at once, in hidden sizes; an upper estimate."""

DEFAULT_STEP_TOKENS: Final = {"cuda": 512, "cpu": 256}
"""Default maximum of tokens in one step, by device type."""

BFLOAT16_STEP_TOKENS: Final = 512
"""The same for a CPU with bfloat16 instructions, which computes twice as many in that time."""

MIN_SLOT_POSITIONS: Final = 256
"""Minimum number of positions in a slot."""

GPU_DIRECTORY: Final = Path("/proc/driver/nvidia/gpus")
"""Directory with one entry per GPU of the host, visible to this process or not."""

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
"""Control group of the container (cgroup v2)."""


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device in bytes. Raises `LoadError` if it is unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    available = _read_field(Path("/proc/meminfo"), "MemAvailable:")
    if available is None:
        raise LoadError("the operating system doesn't report its free memory")
    return min(available * 1024, _cgroup_free_bytes())


def check_size(weight_bytes: int, device: torch.device, format_name: str) -> None:
    """Refuse weights that can't fit, before loading runs out of memory."""
    free = free_bytes(device)
    if weight_bytes > free:
        # On a CPU the weights are loaded in 16 bits before they are packed in int8.
        advice = "; STARCHAT_QUANTIZATION=int8 or nf4 makes them smaller"
        raise LoadError(
            f"the weights need {weight_bytes / 1e9:.1f} GB in {format_name}, but only"
            f" {free / 1e9:.1f} GB are free on {device}{advice if device.type == 'cuda' else ''}"
        )


def used_bytes(device: torch.device) -> int:
    """Return the memory of a device that this process uses, in bytes."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return (_read_field(Path("/proc/self/status"), "VmRSS:") or 0) * 1024


def release_freed_memory() -> None:
    """
    Return memory that was freed within the heap to the system.

    Weights below 32 MB are allocated in the heap. Without this, those that were freed while others
    were packed would fill gaps there until the process ends.
    """
    with contextlib.suppress(AttributeError, OSError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _cgroup_free_bytes() -> int:
    """Return the free memory within the container's limit. Page cache counts as free."""
    try:
        limit = int((CGROUP_ROOT / "memory.max").read_text("ascii"))
    except (OSError, ValueError):
        return sys.maxsize
    return max(0, limit - (_read_field(CGROUP_ROOT / "memory.stat", "anon") or 0))


def _read_field(file: Path, name: str) -> int | None:
    """Return the number after a field's name in a `/proc` or cgroup file."""
    try:
        lines = file.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), None)


def plan_kv_cache(
    engine_config: EngineConfig,
    layers: tuple[LayerSpec, ...],
    max_positions: int,
    estimate_other_bytes: Callable[[int], int] = lambda _: 0,
) -> tuple[int, int]:
    """
    Return the number of slots and the positions of each.

    `estimate_other_bytes` returns the memory that a number of slots needs beside the KV cache.
    Reduces the slots first, then their positions. Raises `LoadError` if not even one useful slot
    fits.
    """
    device = layers[0].device
    bytes_per_token = sum(layer.bytes_per_token for layer in layers)

    def plan_slots(wanted_slots: int) -> tuple[int, int]:
        """Return how many of these slots fit, and the memory limit of the KV cache in bytes."""
        available_bytes = max(0, free_bytes(device) - estimate_other_bytes(wanted_slots))
        limit_bytes = engine_config.kv_cache_bytes or int(
            KV_CACHE_MEMORY_SHARE[device.type] * available_bytes
        )
        return min(wanted_slots, limit_bytes // (bytes_per_token * max_positions)), limit_bytes

    wanted = (engine_config.slots,) if engine_config.slots else DEFAULT_SLOTS[device.type]
    num_slots, limit_bytes = max(map(plan_slots, wanted))
    num_slots = max(1, num_slots)
    slot_positions = min(max_positions, limit_bytes // (bytes_per_token * num_slots))
    if slot_positions < min(max_positions, MIN_SLOT_POSITIONS):
        raise LoadError(
            f"the KV cache of {limit_bytes / 1e6:.0f} MB holds only {slot_positions} positions;"
            f" a slot needs {MIN_SLOT_POSITIONS}"
        )
    return num_slots, slot_positions


def estimate_graph_bytes(
    engine_config: EngineConfig,
    layers: tuple[LayerSpec, ...],
    hf_config: Any,
    max_positions: int,
    num_slots: int,
) -> int:
    """
    Return the bytes that CUDA graphs take beside the KV cache, for a model with this configuration.

    Temporary memory counts twice: once for the eager step, once for the pool that all graphs share.
    Which attention works on the GPU turns out later, so the larger estimate counts.
    """
    if layers[0].device.type == "cpu" or not engine_config.cuda_graphs:
        return 0
    layer = max(layers, key=lambda layer: layer.bytes_per_token)
    itemsize = layer.dtype.itemsize
    estimates: list[int] = []
    for is_packed in (True, False):
        shapes = GraphShapes(
            num_slots,
            max_positions,
            engine_config.max_step_tokens or DEFAULT_STEP_TOKENS["cuda"],
            engine_config.num_speculative_tokens,
            is_packed=is_packed,
        ).list_shapes()
        max_bytes: int = max(
            shape.num_logits * hf_config.vocab_size * (itemsize + 4)
            + shape.num_tokens * hf_config.hidden_size * itemsize * ACTIVATION_WIDTHS
            + (0 if is_packed else shape.num_tokens * shape.kv_length * layer.bytes_per_token)
            for shape in shapes
        )
        estimates.append(2 * max_bytes + len(shapes) * len(layers) * GRAPH_BYTES_PER_LAYER)
    return max(estimates)


def choose_step_tokens(engine_config: EngineConfig, device: torch.device, format_name: str) -> int:
    """Return the maximum of tokens in one step, for weights of a format."""
    if engine_config.max_step_tokens:
        return engine_config.max_step_tokens
    if device.type == "cpu" and format_name == "bfloat16" and has_native_bfloat16():
        return BFLOAT16_STEP_TOKENS
    return DEFAULT_STEP_TOKENS[device.type]


def plan_host_cache(engine_config: EngineConfig) -> int:
    """Return the bytes of the prefix cache in host memory, with one worker per GPU assumed."""
    if engine_config.host_cache_bytes is not None:
        return engine_config.host_cache_bytes
    share_bytes = HOST_CACHE_MEMORY_SHARE * free_bytes(torch.device("cpu"))
    return min(MAX_HOST_CACHE_BYTES, int(share_bytes / _count_host_gpus()))


def _count_host_gpus() -> int:
    try:
        return max(1, len(list(GPU_DIRECTORY.iterdir())))
    except OSError:
        return 1
