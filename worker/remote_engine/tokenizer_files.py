"""Tokenizer and chat template of a remote model: a directory, or files of the Hugging Face hub."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worker.engine import LoadError
from worker.engine.loading.checkpoint import find_directory

FILE_PATTERNS: Final = ("*.json", "*.jinja", "*.txt")
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
    directory = find_directory(model, revision, FILE_PATTERNS)
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
