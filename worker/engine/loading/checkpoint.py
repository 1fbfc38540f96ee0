"""Checkpoint resolution: a local path, or a snapshot of the Hugging Face hub. Torch-free."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from worker.engine import LoadError
from worker.engine.protocol import EngineConfig

HUB_FILE_PATTERNS: Final = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
"""Files to download from the hub: no pickles and no code."""

UNUSED_HUB_PATTERNS: Final = ("consolidated*",)
"""Files that are not downloaded: the same weights once more, in Mistral's own format."""

WEIGHTS_FILE: Final = "model.safetensors"
WEIGHTS_INDEX: Final = "model.safetensors.index.json"
"""Names the files of weights that are split, by tensor."""


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
    return find_directory(
        config.model, config.revision, HUB_FILE_PATTERNS, lambda: progress("downloading", 0.02)
    )


def find_directory(
    model: str,
    revision: str | None,
    patterns: Sequence[str],
    on_download: Callable[[], object] = lambda: None,
) -> Path:
    """
    Return the directory of a checkpoint; blocks while the hub's files of `patterns` download.

    Raises `LoadError` if there is neither such a directory nor such a hub id.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise LoadError(f"there is no directory {path}")
    on_download()
    try:
        snapshot = snapshot_download(
            model,
            revision=revision,
            allow_patterns=[*patterns],
            ignore_patterns=[*UNUSED_HUB_PATTERNS],
        )
        return Path(snapshot)
    except (OSError, HFValidationError, ValueError) as error:
        at = f" at revision {revision}" if revision else ""
        raise LoadError(
            f"{model}{at} is not a local directory and can't be downloaded ({type(error).__name__})"
        ) from error


def list_weight_files(directory: Path) -> list[Path]:
    """Return the files from which transformers reads the weights, and none in another layout."""
    if (directory / WEIGHTS_FILE).is_file():
        return [directory / WEIGHTS_FILE]
    files = sorted(directory.glob("*.safetensors"))
    try:
        index = json.loads((directory / WEIGHTS_INDEX).read_text("utf-8"))
        names = set(index["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return files
    return [file for file in files if file.name in names]


def display_name(model: str, checkpoint: Path) -> str:
    """Return the model's public name: the hub id, or the last part of a path."""
    return (
        checkpoint.resolve().name.removesuffix(".gguf")
        if Path(model).expanduser().exists()
        else model
    )
