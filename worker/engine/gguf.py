"""
Turns a `.gguf` file into a plain checkpoint directory, once.

Reading such a file through transformers takes half a minute even for a small model, and the parent
needs a `tokenizer.json` and a chat template beside the weights.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Final

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

VERSION: Final = 1
"""Part of a converted checkpoint's name: raise it when what is written changes."""


def converted(file: Path, cache: Path) -> Path:
    """Return the directory of the file's plain checkpoint, written now if it is not there yet."""
    target = cache / f"{file.stem}-{_digest(file)}"
    if (target / "config.json").is_file():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=cache))
    try:
        _write(file, draft)
        draft.rename(target)
    except OSError:
        if not (target / "config.json").is_file():  # else another process was first
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _write(file: Path, target: Path) -> None:
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    unpacked = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    settings = unpacked.config.to_dict()
    settings.pop("quantization_config", None)
    config = AutoConfig.for_model(**settings)
    plain = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        config, dtype=torch.float32
    )
    plain.load_state_dict(unpacked.state_dict())
    plain.generation_config = unpacked.generation_config
    plain.save_pretrained(target)
    # The template inside tokenizer_config.json, not in a file beside it.
    tokenizer.save_pretrained(target, save_jinja_files=False)


def _digest(file: Path) -> str:
    """Name a file by its path, size and time, since reading all of a large one takes long."""
    about = file.stat()
    name = f"{VERSION}:{file.resolve()}:{about.st_size}:{about.st_mtime_ns}"
    return hashlib.sha256(name.encode()).hexdigest()[:12]
