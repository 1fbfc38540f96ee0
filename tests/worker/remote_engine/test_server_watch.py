"""Watch over an inference server that comes back odd, or that no address leads to."""

import asyncio

import pytest
from structlog.testing import capture_logs

from testing.inference_server import FakeInferenceServer, next_ids
from tests.worker.remote_engine.engine_contract import (
    PROMPT,
    NewEngine,
    build_request,
    collect_reply,
)
from worker.engine import EngineHealth, EngineState


@pytest.mark.parametrize("field", ["models", "key"])
async def test_a_ready_server_that_comes_back_odd_is_away(
    server: FakeInferenceServer, new_engine: NewEngine, field: str
) -> None:
    """It has no models yet, or a gateway rejects every key. The engine recovers by itself."""
    changes: asyncio.Queue[EngineHealth] = asyncio.Queue()
    engine = new_engine(on_change=changes.put_nowait)
    await engine.wait_ready()
    before = getattr(server, field)
    setattr(server, field, [] if field == "models" else "another")
    while (health := await changes.get()).state is not EngineState.LOADING or not health.restarts:
        assert health.state is not EngineState.FAILED
    assert "the server" in health.stage.partition(": ")[2]
    waiting = asyncio.create_task(collect_reply(engine, build_request()))
    setattr(server, field, before)

    assert (await waiting)[0] == next_ids(PROMPT, 8)


async def test_an_address_without_a_server_is_named(new_engine: NewEngine) -> None:
    """The reason is in the stage and in the log. The key is in neither."""
    changes: asyncio.Queue[EngineHealth] = asyncio.Queue()
    with capture_logs() as lines:
        engine = new_engine(
            url="http://127.0.0.1:9", key="secret-key", on_change=changes.put_nowait
        )
        engine.start_loading()
        health = await changes.get()

    assert "at 127.0.0.1:9: ClientConnectorError" in health.stage
    assert [line["host"] for line in lines] == ["127.0.0.1:9"]
    assert "secret-key" not in f"{lines}{health}"
