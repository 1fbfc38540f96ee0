"""Choice of the device and the number format, with one line where a GPU can't be used."""

import math
import os
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open

from worker.engine import LoadError
from worker.engine.loading.cpu_linear import has_fbgemm, has_native_bfloat16

DEVICE_TYPES: Final = ("cuda", "cpu")
DTYPES: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
SAFETENSORS_DTYPES: Final = {
    "F64": torch.float64,
    "F32": torch.float32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
}
"""Number formats of weights by their names in the header of a safetensors file."""
DRIVER_FILE: Final = Path("/proc/driver/nvidia/version")
"""Version of NVIDIA's driver; a container sees the host's."""
GPU_FILE: Final = Path("/dev/nvidia0")
"""Present if this process may see a GPU: a container has it only if it was given a GPU."""


MIN_FOREIGN_BYTES: Final = 4 * 10**9
"""GPU memory of other processes from which the log names them; a process itself needs half a GB."""


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


def describe_shared_gpu(device: torch.device) -> str | None:
    """Return a line for the log if other processes use much of a GPU's memory, after loading."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    foreign_bytes = total - free - torch.cuda.memory_reserved(device)
    if foreign_bytes < MIN_FOREIGN_BYTES:
        return None
    return (
        f"other processes use {foreign_bytes / 1e9:.0f} GB of this GPU: two workers on one GPU "
        "share its speed; CUDA_VISIBLE_DEVICES gives each its own"
    )


def select_dtype(
    name: str, device: torch.device, stored_dtype: torch.dtype | None = None
) -> torch.dtype:
    """
    Return the number format of the weights.

    `stored_dtype` is the checkpoint's; `None` if it is unknown or quantized. `auto` on a GPU is
    bfloat16, or float16 where bfloat16 is only emulated. `auto` on a CPU loses no bits of 16 and is
    the one that this processor is best at. A CPU that can't pack float16 has float32 in its place.
    Raises `LoadError` for an unknown name.
    """
    if name == "auto":
        if device.type == "cpu":
            return _select_cpu_dtype(stored_dtype)
        is_native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if is_native else torch.float16
    found = DTYPES.get(name)
    if found is None:
        raise LoadError(f"dtype must be auto, float32, bfloat16 or float16, not {name}")
    if found == torch.float16 and device.type == "cpu" and not has_fbgemm():
        return torch.float32
    return found


def _select_cpu_dtype(stored_dtype: torch.dtype | None) -> torch.dtype:
    """
    Return float32 for a checkpoint that stores it, else the fastest format of 16 bits.

    bfloat16 has three bits less than float16, so only a checkpoint that stores it gets it.
    """
    if stored_dtype is not None and stored_dtype.itemsize >= torch.float32.itemsize:
        return torch.float32
    if stored_dtype == torch.bfloat16 and has_native_bfloat16():
        return torch.bfloat16
    return torch.float16 if has_fbgemm() else torch.float32


def find_stored_dtype(hf_config: Any, directory: Path) -> torch.dtype | None:
    """
    Return the number format of a checkpoint: the one in config.json, else that of most weights.

    `None` if neither says.
    """
    named = getattr(hf_config, "dtype", None)
    if isinstance(named, torch.dtype):
        return named
    counts: Counter[str] = Counter()
    for file in directory.glob("*.safetensors"):
        # transformers reads the file later, and its error is the one to report.
        with suppress(OSError, SafetensorError), safe_open(file, "pt") as tensors:
            for tensor_name in tensors.keys():  # noqa: SIM118 - not a mapping
                header = tensors.get_slice(tensor_name)
                counts[header.get_dtype()] += math.prod(header.get_shape())
    names = sorted(SAFETENSORS_DTYPES.keys() & counts.keys(), key=counts.__getitem__)
    return SAFETENSORS_DTYPES[names[-1]] if names else None


def name_dtype(dtype: torch.dtype) -> str:
    """Return the name of a number format in settings and logs."""
    return str(dtype).removeprefix("torch.")


def _read_driver_version(driver_file: Path) -> str:
    try:
        text = driver_file.read_text("ascii", "replace")
    except OSError:
        return "(unknown version)"
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", text)
    return found.group(1) if found else "(unknown version)"
