"""An inference server that comes back with another context window, or with another model."""

import asyncio
from contextlib import aclosing

import pytest

from testing.inference_server import FakeInferenceServer, Fault, next_ids
from tests.worker.remote_engine.engine_contract import (
    PROMPT,
    NewEngine,
    build_request,
    collect_reply,
)
from worker.engine import EngineEvent, EngineHealth, EngineLostError, EngineState, Tokens
from worker.remote_engine.server_watch import FAILED_LOOKS


async def wait_for_replacement(changes: "asyncio.Queue[EngineHealth]") -> None:
    """Wait until the engine is ready with what the server serves now."""
    while (health := await changes.get()).state is not EngineState.READY or not health.restarts:
        pass


async def test_a_request_beyond_a_smaller_window_is_lost(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """The server refuses it before any look at the server. The next attempt knows the window."""
    engine = new_engine(watch_seconds=3600)
    await engine.wait_ready()
    server.context_tokens = 64

    with pytest.raises(EngineLostError):
        await collect_reply(engine, build_request(count=100))

    assert (await engine.wait_ready()).max_positions == 64
    assert (await collect_reply(engine, build_request()))[0] == next_ids(PROMPT, 8)


async def test_a_request_is_lost_if_its_server_cannot_say_why_it_refuses(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """It may be starting with another window. One failed look does not make others wait."""
    assert FAILED_LOOKS > 1
    engine = new_engine(watch_seconds=3600)
    await engine.wait_ready()
    server.faults.append(Fault.REFUSED)
    server.models = []

    with pytest.raises(EngineLostError):
        await collect_reply(engine, build_request())

    assert (engine.health.state, engine.health.restarts) == (EngineState.READY, 0)


async def test_a_request_that_has_not_begun_is_lost_with_its_model(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """A busy server would be asked for the old model again."""
    engine = new_engine()
    await engine.wait_ready()
    server.faults.append(Fault.SILENT)
    waiting = asyncio.create_task(collect_reply(engine, build_request()))
    await server.wait_running(1)
    server.models = ["another"]

    with pytest.raises(EngineLostError, match="another model"):
        await waiting


async def test_a_reply_that_grows_is_not_lost_with_its_model(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """A gateway lets the old model finish."""
    changes: asyncio.Queue[EngineHealth] = asyncio.Queue()
    engine = new_engine(on_change=changes.put_nowait)
    await engine.wait_ready()
    server.gate.clear()
    received: list[EngineEvent] = []
    async with aclosing(engine.generate(build_request())) as events:
        received.append(await anext(events))
        server.models = ["another"]
        await wait_for_replacement(changes)
        server.gate.set()
        received += [event async for event in events]

    ids = [token for event in received if isinstance(event, Tokens) for token in event.ids]
    assert ids == next_ids(PROMPT, 8)


async def test_a_server_that_comes_back_as_before_loses_no_request(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """A look that failed has made the engine wait, and nothing is new."""
    changes: asyncio.Queue[EngineHealth] = asyncio.Queue()
    engine = new_engine(on_change=changes.put_nowait)
    model = await engine.wait_ready()
    server.faults.append(Fault.SILENT)
    waiting = asyncio.create_task(collect_reply(engine, build_request(deadline=None)))
    await server.wait_running(1)
    server.models = []
    while not (await changes.get()).restarts:
        pass
    server.models = ["served"]
    await wait_for_replacement(changes)

    assert await engine.wait_ready() == model
    assert server.running == 1
    engine.abort_request("r")
    await waiting
