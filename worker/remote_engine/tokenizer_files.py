"""Tokenizer and chat template of a remote model: a directory, or files of the Hugging Face hub."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from worker.engine import LoadError

FILE_PATTERNS: Final = ["*.json", "*.jinja", "*.txt"]
"""Files to download from the hub: no weights and no code."""


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """Directory with the tokenizer's files, and the token ids that the checkpoint names."""

    directory: Path
    vocab_size: int
    eos_ids: tuple[int, ...]
    max_positions: int | None


def fetch_tokenizer_files(model: str, revision: str | None) -> TokenizerFiles:
    """
    Return the files of a directory or of the hub; blocks while it downloads.

    Raises `LoadError` if there are none, or if `config.json` does not name the vocabulary.
    """
    directory = _find_directory(model, revision)
    config = _read_json(directory / "config.json")
    generation = _read_json(directory / "generation_config.json", is_optional=True)
    vocab_size = config.get("vocab_size")
    if type(vocab_size) is not int or vocab_size < 1:
        raise LoadError(f"{directory / 'config.json'} has no vocab_size")
    eos = generation.get("eos_token_id", config.get("eos_token_id"))
    eos_ids = eos if isinstance(eos, list) else [eos]
    positions = config.get("n_positions", config.get("max_position_embeddings"))
    return TokenizerFiles(
        directory=directory.absolute(),
        vocab_size=vocab_size,
        eos_ids=tuple(one for one in eos_ids if type(one) is int),
        max_positions=positions if type(positions) is int else None,
    )


def _find_directory(model: str, revision: str | None) -> Path:
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise LoadError(f"STARCHAT_MODEL names no directory and no model of the hub: {path}")
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=FILE_PATTERNS))
    except (OSError, HFValidationError, ValueError) as error:
        raise LoadError(
            f"the tokenizer of {model} is no local directory and can't be downloaded "
            f"({type(error).__name__})"
        ) from error


def _read_json(path: Path, *, is_optional: bool = False) -> dict[str, Any]:
    if is_optional and not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{path} can't be read ({type(error).__name__})") from error
    if not isinstance(value, dict):
        raise LoadError(f"{path} holds no JSON object")
    return value
