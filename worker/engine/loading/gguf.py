"""
GGUF conversion: a `.gguf` file becomes a checkpoint directory, once.

transformers takes half a minute to read such a file, even for a small model. The parent also needs
a `tokenizer.json` and a chat template beside the weights.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Final

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from worker.engine.loading.progress import Progress

CONVERSION_VERSION: Final = 1
"""Part of a converted checkpoint's name. Increment it when the conversion changes."""


def convert_gguf(file: Path, cache_directory: Path, progress: Progress) -> Path:
    """
    Return the checkpoint directory of a `.gguf` file; converts the file at the first call.

    Raises what transformers raises for a malformed file.
    """
    target = cache_directory / f"{file.stem}-{_compute_digest(file)}"
    if (target / "config.json").is_file():
        return target
    cache_directory.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=cache_directory))
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
    return target


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
