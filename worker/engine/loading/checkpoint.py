"""Checkpoint resolution: a local path, or a snapshot of the Hugging Face hub. Torch-free."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from worker.engine import LoadError
from worker.engine.protocol import EngineConfig

HUB_FILE_PATTERNS: Final = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
"""Files to download from the hub: no pickles and no code."""


def resolve_checkpoint(config: EngineConfig, progress: Callable[[str, float], None]) -> Path:
    """
    Return a checkpoint directory or a `.gguf` file.

    An existing path wins over a hub id. A hub id is downloaded unless the hub's local cache has it.
    Raises `LoadError` if there is no such checkpoint.
    """
    path = Path(config.model).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise LoadError(f"there is no file {path}")
        return path
    if path.is_dir():
        return path
    if config.model.count("/") != 1 or config.model.startswith((".", "/", "~")):
        raise LoadError(f"there is no directory {path}")
    progress("downloading", 0.02)
    return _fetch_snapshot(config.model, config.revision)


def _fetch_snapshot(name: str, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=HUB_FILE_PATTERNS))
    except (OSError, HFValidationError, ValueError) as error:
        at = f" at revision {revision}" if revision else ""
        raise LoadError(
            f"{name}{at} is not a local directory and can't be downloaded ({type(error).__name__})"
        ) from error
