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

from worker.engine.loading.progress import Progress

VERSION: Final = 1
"""Part of a converted checkpoint's name: raise it when what is written changes."""


def converted(file: Path, cache: Path, progress: Progress) -> Path:
    """Return the directory of the file's plain checkpoint, written now if it is not there yet."""
    target = cache / f"{file.stem}-{_digest(file)}"
    if (target / "config.json").is_file():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=cache))
    try:
        _write(file, draft, progress)
        draft.rename(target)
    except OSError:
        if not (target / "config.json").is_file():  # else another process was first
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _write(file: Path, target: Path, progress: Progress) -> None:
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    progress("converting", 0.1)
    # The template inside tokenizer_config.json, not in a file beside it.
    AutoTokenizer.from_pretrained(**where).save_pretrained(target, save_jinja_files=False)
    progress("converting", 0.3)
    unpacked = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    progress("converting", 0.7)
    settings = unpacked.config.to_dict()
    settings.pop("quantization_config", None)
    # A model that was read from such a file refuses to be saved; one that took over its weights
    # does not.
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model(**settings), dtype=torch.float32
        )
    plain.load_state_dict(unpacked.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = unpacked.generation_config
    plain.save_pretrained(target)


def _digest(file: Path) -> str:
    """Name a file by its path, size and time, since reading all of a large one takes long."""
    about = file.stat()
    name = f"{VERSION}:{file.resolve()}:{about.st_size}:{about.st_mtime_ns}"
    return hashlib.sha256(name.encode()).hexdigest()[:12]
