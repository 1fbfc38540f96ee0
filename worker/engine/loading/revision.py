"""
Revision of a checkpoint: the hub's commit, or a fingerprint of local files. Torch-free.

Two trainings may leave their models in directories of the same name, so a name alone tells no
models apart.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FINGERPRINT_CHARACTERS: Final = 12
NUM_SAMPLES: Final = 256
SAMPLE_BYTES: Final = 4096
"""Bytes of each sample: whole weights would take a minute to read."""
FILE_PATTERNS: Final = ("*.safetensors", "config.json", "adapter_config.json", "tokenizer.json")


def find_revision(revision: str | None, checkpoint: Path) -> str | None:
    """
    Return the revision of a checkpoint directory or `.gguf` file.

    A configured `revision` wins. A fingerprint depends on names, sizes and samples of the files, so
    it tells trained models apart, and no forgery. `None` if the files can't be read.
    """
    if revision:
        return revision
    if checkpoint.parent.name == "snapshots":
        return checkpoint.name
    try:
        return _fingerprint_files(_list_files(checkpoint))
    except OSError:
        return None


def _list_files(checkpoint: Path) -> list[Path]:
    if checkpoint.is_file():
        return [checkpoint]
    return sorted({file for pattern in FILE_PATTERNS for file in checkpoint.glob(pattern)})


def _fingerprint_files(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            for offset in range(0, size, max(SAMPLE_BYTES, size // NUM_SAMPLES)):
                file.seek(offset)
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:FINGERPRINT_CHARACTERS]
