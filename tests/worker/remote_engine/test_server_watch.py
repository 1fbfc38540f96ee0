"""Watch over an inference server that comes back odd, or that no address leads to."""

import asyncio
from contextlib import aclosing

import pytest
from structlog.testing import capture_logs

from testing.inference_server import FakeInferenceServer, Fault, next_ids
from tests.worker.remote_engine.engine_contract import (
    PROMPT,
    NewEngine,
    build_request,
    collect_reply,
)
from worker.engine import EngineHealth, EngineLostError, EngineState, Tokens
from worker.remote_engine import server as connection


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


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.ERROR_EVENT])
async def test_a_bad_event_of_one_request_lets_no_other_wait(
    server: FakeInferenceServer, new_engine: NewEngine, fault: Fault
) -> None:
    """The server may send it for this prompt alone."""
    engine = new_engine()
    await engine.wait_ready()
    server.faults.append(fault)

    with pytest.raises(EngineLostError):
        await collect_reply(engine, build_request())

    assert (engine.health.state, engine.health.restarts) == (EngineState.READY, 0)


async def test_a_lost_connection_lets_others_wait(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """The server may be gone."""
    engine = new_engine()
    await engine.wait_ready()
    server.faults.append(Fault.CUT)

    with pytest.raises(EngineLostError):
        await collect_reply(engine, build_request())

    assert engine.health.restarts == 1


async def test_silence_counts_from_the_first_event(
    server: FakeInferenceServer, new_engine: NewEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it, a request may wait in the server's queue until its deadline."""
    engine = new_engine()
    await engine.wait_ready()
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.0)
    server.gate.clear()

    async with aclosing(engine.generate(build_request())) as events:
        assert isinstance(await anext(events), Tokens)
        with pytest.raises(EngineLostError, match="silent"):
            await anext(events)

    assert (engine.health.state, engine.health.restarts) == (EngineState.READY, 0)


async def test_no_connection_is_used_twice(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """A server may close an idle connection just when a request is sent."""
    engine = new_engine()
    await collect_reply(engine, build_request())

    assert len(set(server.peers)) == len(server.peers) >= 3


async def test_another_model_of_a_ready_server_is_noticed(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """A gateway may change models without a restart: no request asks for the old one."""
    changes: asyncio.Queue[EngineHealth] = asyncio.Queue()
    engine = new_engine(on_change=changes.put_nowait)
    await engine.wait_ready()
    server.models = ["another"]
    while not (await changes.get()).restarts:
        pass

    await collect_reply(engine, build_request())

    assert server.posts[-1][1]["model"] == "another"
