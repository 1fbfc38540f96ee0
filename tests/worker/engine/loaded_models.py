"""Tiny models, each loaded once, and engines over them in the test's own process."""

import functools
from collections.abc import Callable
from pathlib import Path

from testing.checkpoints import (
    long_bigcode,
    shallow_starchat,
    tiny_bigcode,
    tiny_llama,
    tiny_mistral,
)
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.protocol import EngineConfig

CHECKPOINTS: dict[str, Callable[[], Path]] = {
    "bigcode": tiny_bigcode,
    "bigcode-float16": tiny_bigcode,
    "bigcode-heads": lambda: tiny_bigcode(multi_query=False),
    "llama": tiny_llama,
    "long": long_bigcode,
    "mistral": tiny_mistral,
    "starchat": shallow_starchat,
    "starchat-long": lambda: shallow_starchat(layers=1),
}


@functools.cache
def load_once(kind: str) -> LoadedModel:
    """Load one of `CHECKPOINTS` on its first use."""
    directory = CHECKPOINTS[kind]()
    dtype = "float16" if kind.endswith("-float16") else "auto"
    options = EngineConfig(model=str(directory), slots=1, dtype=dtype)
    return load_model(directory, options, lambda _stage, _done: None)


def make_engine(
    kind: str = "bigcode",
    *,
    slots: int = 4,
    max_step_tokens: int = 64,
    num_speculative_tokens: int = 0,
    host_cache_bytes: int = 0,
) -> EngineCore:
    """Return an engine with empty slots over a model that is loaded once."""
    model = load_once(kind)
    kv_cache = KVCache(model.kv_cache.layers, slots, model.info.max_positions)
    return EngineCore(
        model.network,
        kv_cache,
        vocab_size=model.info.vocab_size,
        max_step_tokens=max_step_tokens,
        num_speculative_tokens=num_speculative_tokens,
        host_cache_bytes=host_cache_bytes,
    )
