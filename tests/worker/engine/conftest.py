"""Small models, loaded once, and engines over them that run in the test's own process."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from testing.checkpoints import (
    long_bigcode,
    shallow_starchat,
    tiny_bigcode,
    tiny_llama,
    tiny_mistral,
)
from testing.in_process_engine import EngineFactory
from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.protocol import EngineConfig

CHECKPOINTS: dict[str, Callable[[], Path]] = {
    "bigcode": tiny_bigcode,
    "bigcode-heads": lambda: tiny_bigcode(multi_query=False),
    "llama": tiny_llama,
    "long": long_bigcode,
    "mistral": tiny_mistral,
    "starchat": shallow_starchat,
    "starchat-long": lambda: shallow_starchat(layers=1),
}


@pytest.fixture(scope="session", autouse=True)
def _use_one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models() -> Callable[[str], LoadedModel]:
    """Load each kind of model once."""
    cache: dict[str, LoadedModel] = {}

    def load_once(kind: str) -> LoadedModel:
        if kind not in cache:
            directory = CHECKPOINTS[kind]()
            options = EngineConfig(model=str(directory), slots=1)
            cache[kind] = load_model(directory, options, lambda _stage, _done: None)
        return cache[kind]

    return load_once


@pytest.fixture(scope="session")
def fresh(models: Callable[[str], LoadedModel]) -> EngineFactory:
    """Make an engine with empty slots over a model that is loaded already."""

    def make_engine(
        kind: str = "bigcode",
        *,
        slots: int = 4,
        budget: int = 64,
        drafted: int = 0,
        shelf: int = 0,
    ) -> EngineCore:
        model = models(kind)
        memory = KVCache(model.kv_cache.layers, slots, model.info.max_positions)
        return EngineCore(
            model.network,
            memory,
            vocab_size=model.info.vocab_size,
            max_step_tokens=budget,
            num_speculative_tokens=drafted,
            host_cache_bytes=shelf,
        )

    return make_engine
