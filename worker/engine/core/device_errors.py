"""Device errors: a device that is lost, told from a call that it refused."""

from typing import Final

import torch

STICKY_ERRORS: Final = (
    *("illegal memory access", "illegal instruction", "shared address space"),
    *("misaligned address", "invalid program counter", "device-side assert"),
    *("launch failure", "launch timed out", "uncorrectable", "hardware stack error"),
    *("context is destroyed", "driver shutting down", "NVLink error"),
)
"""CUDA's texts of errors after which every call of the process fails."""
DEVICE_WORDS: Final = ("CUDA", "cuDNN", "CUDNN", "CUBLAS", "NCCL")
"""Words of errors that come from the device's libraries."""
CPU_ALLOCATOR: Final = "DefaultCPUAllocator: "
"""PyTorch's text of an error of a CPU that is out of memory."""
MAX_REASON_CHARACTERS: Final = 200


def is_device_lost(error: Exception, device: torch.device) -> bool:
    """
    Whether no call to the device works any more. Only then must the process exit.

    Libraries refuse single calls too: an unsupported shape, memory that they do not get. So unless
    the error is known as final, a small computation asks the device itself.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return False
    # The lines behind the first one name device-side assertions below each CUDA error.
    text = _first_line(error)
    if isinstance(error, RuntimeError) and any(sticky in text for sticky in STICKY_ERRORS):
        return True
    is_from_device = isinstance(error, torch.AcceleratorError) or any(
        word in text for word in DEVICE_WORDS
    )
    return is_from_device and not _responds(device)


def is_allocation_refused(error: Exception) -> bool:
    """Whether PyTorch did not get memory for a tensor. What is in other tensors is unharmed."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    # On a CPU it is a plain `RuntimeError`.
    return isinstance(error, RuntimeError) and CPU_ALLOCATOR in _first_line(error)


def describe_error(error: Exception) -> str:
    """Return class and first line of an engine's error: the engine knows no text of people."""
    line = _first_line(error).strip()[:MAX_REASON_CHARACTERS]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _responds(device: torch.device) -> bool:
    try:
        return float(torch.ones(1, device=device).add_(1)) > 1
    except Exception:  # noqa: BLE001 - the device did not compute
        return False
