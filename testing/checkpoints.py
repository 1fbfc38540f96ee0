"""
Tiny checkpoints for tests: safetensors and a tokenizer, built once and cached.

The cache is `.pytest_cache/checkpoints`. A checkpoint's name contains a hash of its recipe, so that
a changed recipe builds a new one. It is written to a temporary directory and renamed, because
several test runs may build it at once.
"""

import fcntl
import hashlib
import inspect
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    GPTBigCodeConfig,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
)

from testing import memorizing_model, memorizing_training, tokenizers
from testing.tokenizers import SMALL_VOCABULARY, write_small_tokenizer, write_starchat_tokenizer
from worker.prompt import chat_format

CACHE_DIRECTORY: Final = Path(__file__).parents[1] / ".pytest_cache" / "checkpoints"

TINY_POSITIONS: Final = 256
"""Context window of the tiny checkpoints."""

STARCHAT_CONFIG: Final[dict[str, Any]] = {
    "vocab_size": 49156,
    "n_positions": 8192,
    "n_head": 48,
    "multi_query": True,
    "activation_function": "gelu",
    "scale_attn_weights": True,
    "attention_softmax_in_fp32": True,
    "scale_attention_softmax_in_fp32": True,
    "layer_norm_epsilon": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "inference_runner": 0,
    "max_batch_size": None,
    "max_sequence_length": None,
    "pad_key_length": True,
    "pre_allocate_kv_cache": False,
    "summary_type": "cls_index",
    "validate_runner_input": True,
}
"""StarChat's configuration without width (6144) and depth (40), obsolete fields included."""


def memorizing_checkpoint() -> Path:
    """Return a GPTBigCode that gives `testing.memorizing_model.ANSWERS` to the byte."""
    sources = (memorizing_model, memorizing_training, chat_format)
    recipe = "".join(map(inspect.getsource, sources))
    return _cache_checkpoint("memorizing", recipe, memorizing_training.train_checkpoint)


def tiny_bigcode(*, multi_query: bool = True) -> Path:
    """Return a GPTBigCode with random weights, whose replies differ from prompt to prompt."""
    config = GPTBigCodeConfig(
        vocab_size=SMALL_VOCABULARY,
        n_positions=TINY_POSITIONS,
        n_embd=64,
        n_layer=2,
        n_head=4,
        multi_query=multi_query,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _random_checkpoint("bigcode", config)


def wide_bigcode() -> Path:
    """Return a GPTBigCode with heads of 64, the smallest that vLLM's attention on a CPU takes."""
    config = GPTBigCodeConfig(
        vocab_size=SMALL_VOCABULARY,
        n_positions=2 * TINY_POSITIONS,
        n_embd=128,
        n_layer=2,
        n_head=2,
        multi_query=True,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _random_checkpoint("wide-bigcode", config)


def tiny_llama() -> Path:
    """Return a Llama with random weights, four query heads and two key-value heads."""
    config = LlamaConfig(
        vocab_size=SMALL_VOCABULARY,
        max_position_embeddings=TINY_POSITIONS,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _random_checkpoint("llama", config)


def tiny_mistral() -> Path:
    """Return a Mistral with random weights and sliding-window attention of 16 tokens."""
    config = MistralConfig(
        vocab_size=SMALL_VOCABULARY,
        max_position_embeddings=TINY_POSITIONS,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        sliding_window=16,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _random_checkpoint("mistral", config)


def long_bigcode() -> Path:
    """Return a minimal GPTBigCode with StarChat's context window of 8,192 tokens."""
    config = GPTBigCodeConfig(
        vocab_size=SMALL_VOCABULARY,
        n_positions=STARCHAT_CONFIG["n_positions"],
        n_embd=16,
        n_layer=1,
        n_head=1,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=0,
    )
    return _random_checkpoint("long", config)


def shallow_starchat(layers: int = 2) -> Path:
    """Return a model of StarChat's configuration with few narrow layers and random weights."""
    config = GPTBigCodeConfig(**STARCHAT_CONFIG, n_embd=192, n_layer=layers, initializer_range=0.2)
    return _random_checkpoint("starchat", config, write_starchat_tokenizer)


def _random_checkpoint(
    name: str,
    config: PretrainedConfig,
    tokenizer: Callable[[Path], Path] = write_small_tokenizer,
) -> Path:
    def write_checkpoint(target: Path) -> None:
        tokenizer(target)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(config)
        model.save_pretrained(target)

    return _cache_checkpoint(name, str(config), write_checkpoint)


def _cache_checkpoint(name: str, recipe: str, write: Callable[[Path], None]) -> Path:
    tokenizer = inspect.getsource(tokenizers)
    full_recipe = f"{recipe}\n{tokenizer}\n{torch.__version__}\n{transformers.__version__}"
    target = CACHE_DIRECTORY / f"{name}-{hashlib.sha256(full_recipe.encode()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    CACHE_DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (CACHE_DIRECTORY / f".{name}.lock").open("w") as lock:
        # Tests run in several processes: the second one waits and finds the first one's checkpoint.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _write_atomically(target, write)
    return target


def _write_atomically(target: Path, write: Callable[[Path], None]) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=CACHE_DIRECTORY))
    try:
        write(draft)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
