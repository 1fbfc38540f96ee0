"""Choice of the device and the number format, with one line where a GPU can't be used."""

import os
import re
from pathlib import Path
from typing import Final

import torch

from worker.engine import LoadError
from worker.engine.loading.cpu_linear import has_fbgemm, has_native_bfloat16

DEVICE_TYPES: Final = ("cuda", "cpu")
DTYPES: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
DRIVER_FILE: Final = Path("/proc/driver/nvidia/version")
"""Version of NVIDIA's driver; a container sees the host's."""
GPU_FILE: Final = Path("/dev/nvidia0")
"""Present if this process may see a GPU: a container has it only if it was given a GPU."""


def select_device(name: str) -> torch.device:
    """
    Return the device of the model. One worker uses one GPU.

    Raises `LoadError` for an unknown name, and for a GPU that is there and can't be used.
    """
    if name != "cpu" and not torch.cuda.is_available():
        reason = describe_unusable_gpu()
        if reason is not None:
            raise LoadError(reason)
    try:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        device = device if name == "auto" else torch.device(name)
    except RuntimeError:
        raise LoadError(f"device must be auto, cpu or cuda, not {name}") from None
    if device.type not in DEVICE_TYPES:
        raise LoadError(f"device must be auto, cpu or cuda, not {name}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise LoadError(f"there is no device {name}")
    return device


def describe_unusable_gpu(driver_file: Path = DRIVER_FILE, gpu_file: Path = GPU_FILE) -> str | None:
    """Return why torch can't use this machine's GPU; `None` if there is none, or it is hidden."""
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    if is_hidden or not gpu_file.exists():
        return None
    remedy = "or set STARCHAT_DEVICE=cpu"
    needed = torch.version.cuda
    if needed is None:
        return (
            f"this machine has a GPU, but torch {torch.__version__} is built without CUDA: "
            f"install torch's build for CUDA, {remedy}"
        )
    return (
        f"torch {torch.__version__} needs a driver for CUDA {needed}, but this machine's driver "
        f"{_read_driver_version(driver_file)} does not work with it: update the driver, install "
        f"torch's build for an older CUDA, {remedy}"
    )


def select_dtype(
    name: str, device: torch.device, stored_dtype: torch.dtype | None = None
) -> torch.dtype:
    """
    Return the number format of the weights.

    `stored_dtype` is the checkpoint's; `None` if it is unknown or quantized. `auto` on a GPU is
    bfloat16, or float16 where bfloat16 is only emulated. `auto` on a CPU is the one that this
    processor is best at. Raises `LoadError` for an unknown name.
    """
    if name == "auto":
        if device.type == "cpu":
            return _select_cpu_dtype(stored_dtype)
        is_native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if is_native else torch.float16
    found = DTYPES.get(name)
    if found is None:
        raise LoadError(f"dtype must be auto, float32, bfloat16 or float16, not {name}")
    return found


def _select_cpu_dtype(stored_dtype: torch.dtype | None) -> torch.dtype:
    """Return the fastest format of 16 bits; float32 for a checkpoint that stores float32."""
    if stored_dtype == torch.float32:
        return torch.float32
    if has_native_bfloat16():
        return torch.bfloat16
    return torch.float16 if has_fbgemm() else torch.float32


def _read_driver_version(driver_file: Path) -> str:
    try:
        text = driver_file.read_text("ascii", "replace")
    except OSError:
        return "(unknown version)"
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", text)
    return found.group(1) if found else "(unknown version)"
