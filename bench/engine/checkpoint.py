"""Checkpoint for all engines: random weights in a plain checkpoint directory."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

CACHE_DIRECTORY: Final = Path(__file__).parents[2] / ".bench"

MODEL_CONFIG: Final[dict[str, Any]] = {
    "vocab_size": 49156,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "multi_query": True,
    "initializer_range": 0.05,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
"""A GPTBigCode of 110 million weights: StarChat's architecture, small enough for one core."""

TINY_MODEL_CONFIG: Final[dict[str, Any]] = MODEL_CONFIG | {
    "vocab_size": 512,
    "n_embd": 64,
    "n_layer": 2,
    "n_head": 2,
}
"""The same architecture in a size for tests."""


def ensure_checkpoint(config: dict[str, Any]) -> Path:
    """Return the directory of a float32 checkpoint; create it on first use."""
    name = hashlib.sha256(json.dumps(config).encode()).hexdigest()[:12]
    directory = CACHE_DIRECTORY / f"checkpoint-{name}"
    if directory.is_dir():
        return directory
    # A process that only starts others need not load these libraries.
    import torch  # noqa: PLC0415
    from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM  # noqa: PLC0415

    CACHE_DIRECTORY.mkdir(exist_ok=True)
    torch.manual_seed(0)
    network: Any = GPTBigCodeForCausalLM(GPTBigCodeConfig(**config))
    with tempfile.TemporaryDirectory(dir=CACHE_DIRECTORY) as scratch:
        saved = Path(scratch) / "made"
        network.save_pretrained(saved)
        # The benchmark decodes no text, but the engine refuses a checkpoint without a tokenizer.
        (saved / "tokenizer.json").write_text("{}", "utf-8")
        if not directory.is_dir():
            shutil.move(saved, directory)
    return directory
