"""Finds the checkpoint that the options name, on this machine or in the hub; torch-free."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from worker.engine import LoadError
from worker.engine.options import EngineConfig

HUB_FILE_PATTERNS: Final = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
"""What is fetched from the hub: no pickles and no code."""


def resolve_checkpoint(config: EngineConfig, progress: Callable[[str, float], None]) -> Path:
    """
    Return a checkpoint directory or a `.gguf` file.

    A path wins over a hub id; a hub id is fetched, or found where an earlier start has left it.
    Raises `LoadError`.
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
    progress("fetching", 0.02)
    return _fetch_snapshot(config.model, config.revision)


def _fetch_snapshot(name: str, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=HUB_FILE_PATTERNS))
    except (OSError, HFValidationError, ValueError) as error:
        at = f" at revision {revision}" if revision else ""
        raise LoadError(
            f"{name}{at} is no directory here and cannot be fetched ({type(error).__name__})"
        ) from error
