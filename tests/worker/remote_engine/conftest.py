"""A server that fails on request, and remote engines on it."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from testing.inference_server import STOP_ID, VOCAB_SIZE, FakeInferenceServer
from tests.worker.remote_engine.engine_contract import NewEngine
from worker.engine import EngineHealth
from worker.remote_engine.client import RemoteEngine
from worker.remote_engine.server_watch import RemoteConfig


@pytest.fixture
async def server() -> AsyncIterator[FakeInferenceServer]:
    """A server that listens."""
    async with FakeInferenceServer().serve() as server:
        yield server


@pytest.fixture
def tokenizer_directory(tmp_path: Path) -> Path:
    """A directory with what a remote engine reads of a checkpoint, apart from the tokenizer."""
    config = {"vocab_size": VOCAB_SIZE, "n_positions": 1024, "eos_token_id": STOP_ID}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    return tmp_path


@pytest.fixture
async def new_engine(
    server: FakeInferenceServer, tokenizer_directory: Path
) -> AsyncIterator[NewEngine]:
    """A function that makes engines, which are shut down at the end."""
    engines: list[RemoteEngine] = []

    def make(
        dialect: str = "vllm",
        on_change: Callable[[EngineHealth], None] | None = None,
        **fields: object,
    ) -> RemoteEngine:
        settings = {"url": server.url, "watch_seconds": 0.05, **fields}
        config = RemoteConfig(
            model=str(tokenizer_directory),
            dialect=dialect,
            **settings,  # type: ignore[arg-type]
        )
        engines.append(RemoteEngine(config, on_change=on_change))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.shut_down()
