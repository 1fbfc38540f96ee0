"""
GGUF conversion: a `.gguf` file becomes a checkpoint directory, once.

transformers takes half a minute to read such a file, even for a small model. The parent also needs
a `tokenizer.json` and a chat template beside the weights.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from worker.engine import LoadError
from worker.engine.loading.memory import free_bytes
from worker.engine.loading.progress import Progress

CONVERSION_VERSION: Final = 1
"""Part of a converted checkpoint's name. Increment it when the conversion changes."""

PARTIAL_PREFIX: Final = ".partial-"
"""Begins the name of a directory in which a conversion is under way."""


def convert_gguf(file: Path, cache_directory: Path, progress: Progress) -> Path:
    """
    Return the checkpoint directory of a `.gguf` file; converts the file at the first call.

    Raises `LoadError` if it needs a package, memory or disk, and what transformers raises for a
    malformed file.
    """
    target = cache_directory / f"{file.stem}-{_compute_digest(file)}"
    cache_directory.mkdir(parents=True, exist_ok=True)
    with _share_cache(cache_directory):
        if not (target / "config.json").is_file():
            _check_room(file, cache_directory)
            _write_target(file, target, progress)
    return target


def _check_room(file: Path, cache_directory: Path) -> None:
    """Raise `LoadError` if there is no room for the weights of a file in float32."""
    try:
        from gguf import GGUFReader  # noqa: PLC0415 - most workers have no need of it
    except ImportError:
        command = f"{sys.executable} -m pip install 'gguf>=0.17'"
        raise LoadError(f"{file} needs the package gguf: {command}") from None
    tensors = GGUFReader(file).tensors
    num_bytes = torch.float32.itemsize * sum(int(tensor.n_elements) for tensor in tensors)
    for free, place in (
        (free_bytes(torch.device("cpu")), "of memory"),
        (shutil.disk_usage(cache_directory).free, f"in {cache_directory}"),
    ):
        if num_bytes > free:
            raise LoadError(
                f"the conversion of {file} takes {num_bytes / 1e9:.1f} GB {place}, but only"
                f" {free / 1e9:.1f} GB are free"
            )


@contextlib.contextmanager
def _share_cache(directory: Path) -> Iterator[None]:
    """Share a lock on a cache; the only holder first removes what killed processes left there."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # A file system without locks refuses both.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in directory.glob(f"{PARTIAL_PREFIX}*"):
                shutil.rmtree(leftover, ignore_errors=True)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _write_target(file: Path, target: Path, progress: Progress) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=target.parent))
    try:
        # transformers lists and reads the file's directory, which the sandbox forbids.
        source = temporary / "source" / file.name
        source.parent.mkdir()
        source.symlink_to(file.resolve())
        checkpoint = temporary / "checkpoint"
        _write_checkpoint(source, checkpoint, progress)
        checkpoint.rename(target)
    except OSError:
        if not (target / "config.json").is_file():  # unless another process converted it first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_checkpoint(file: Path, target: Path, progress: Progress) -> None:
    source = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    progress("converting", 0.1)
    # Keep the chat template inside tokenizer_config.json, not in a file beside it.
    AutoTokenizer.from_pretrained(**source).save_pretrained(target, save_jinja_files=False)
    progress("converting", 0.3)
    dequantized = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    progress("converting", 0.7)
    config_fields = dequantized.config.to_dict()
    config_fields.pop("quantization_config", None)
    # transformers refuses to save a dequantized model, but not a plain one with the same weights.
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**config_fields), dtype=torch.float32
        )
    model.load_state_dict(dequantized.state_dict(), assign=True)
    model.tie_weights()
    model.generation_config = dequantized.generation_config
    model.save_pretrained(target)


def _compute_digest(file: Path) -> str:
    """
    Identify a file by path, size and time: reading all of a large file takes too long.

    The version of transformers counts too, because it writes the checkpoint.
    """
    status = file.stat()
    name = (
        f"{CONVERSION_VERSION}:{transformers.__version__}:{file.resolve()}"
        f":{status.st_size}:{status.st_mtime_ns}"
    )
    return hashlib.sha256(name.encode()).hexdigest()[:12]
