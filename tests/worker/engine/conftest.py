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
from worker.engine.attention.kv_cache import Slots
from worker.engine.core.engine_core import Batching
from worker.engine.loading.loader import Loaded, load
from worker.engine.options import Options

MODELS: dict[str, Callable[[], Path]] = {
    "bigcode": tiny_bigcode,
    "bigcode-heads": lambda: tiny_bigcode(multi_query=False),
    "llama": tiny_llama,
    "long": long_bigcode,
    "mistral": tiny_mistral,
    "starchat": shallow_starchat,
    "starchat-long": lambda: shallow_starchat(layers=1),
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models() -> Callable[[str], Loaded]:
    """Load each kind of model once."""
    kept: dict[str, Loaded] = {}

    def loaded(kind: str) -> Loaded:
        if kind not in kept:
            directory = MODELS[kind]()
            options = Options(model=str(directory), slots=1)
            kept[kind] = load(directory, options, lambda _stage, _done: None)
        return kept[kind]

    return loaded


@pytest.fixture(scope="session")
def fresh(models: Callable[[str], Loaded]) -> EngineFactory:
    """Make an engine with empty slots over a model that is loaded already."""

    def engine(
        kind: str = "bigcode",
        *,
        slots: int = 4,
        budget: int = 64,
        drafted: int = 0,
        shelf: int = 0,
    ) -> Batching:
        model = models(kind)
        memory = Slots(model.slots.layers, slots, model.about.positions)
        return Batching(
            model.network,
            memory,
            vocabulary=model.about.vocabulary,
            budget=budget,
            drafted=drafted,
            shelf=shelf,
        )

    return engine
