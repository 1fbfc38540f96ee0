"""Remote engine against a server that fails: requests end once, and the server is left free."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any
from unittest.mock import ANY

import pytest

from testing.inference_server import STOP_ID, FakeInferenceServer, Fault, next_ids
from tests.worker.remote_engine.engine_contract import (
    CHECKS,
    PROMPT,
    NewEngine,
    build_request,
    check_abort,
    collect_reply,
)
from worker.engine import (
    Engine,
    EngineLostError,
    EngineState,
    Finished,
    FinishReason,
    LoadError,
    RequestRefusedError,
    Tokens,
)
from worker.remote_engine.dialects import DIALECTS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_dialect_keeps_the_promises_of_an_engine(
    server: FakeInferenceServer,
    new_engine: NewEngine,
    dialect: str,
    check: Callable[[Engine], Coroutine[Any, Any, None]],
) -> None:
    """The checks are those of the engine on this machine."""
    engine = new_engine(dialect)
    await engine.wait_ready()
    if check is check_abort:
        # Otherwise the whole reply may be there before it is stopped.
        server.gate.clear()
    await check(engine)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_stop_id_of_the_server_is_dropped(
    server: FakeInferenceServer, new_engine: NewEngine, dialect: str
) -> None:
    """The ids of vLLM contain it."""
    server.stops_after = 3
    ids, finished = await collect_reply(new_engine(dialect), build_request(stop_ids=(STOP_ID,)))

    assert ids == next_ids(PROMPT, 3)
    assert finished.reason is FinishReason.STOP


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.SLOW])
async def test_a_busy_or_slow_server_gives_the_whole_reply(
    server: FakeInferenceServer, new_engine: NewEngine, dialect: str, fault: Fault
) -> None:
    """503 means later, and events may arrive byte by byte. The caller sees nothing of it."""
    engine = new_engine(dialect)
    await engine.wait_ready()
    server.faults += [fault]

    assert (await collect_reply(engine, build_request()))[0] == next_ids(PROMPT, 8)
    assert engine.health.state is EngineState.READY


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "fault", [Fault.CUT, Fault.GARBAGE, Fault.ERROR_EVENT, Fault.FLOOD, Fault.COMPRESSED]
)
async def test_a_broken_stream_loses_the_request(
    server: FakeInferenceServer, new_engine: NewEngine, dialect: str, fault: Fault
) -> None:
    """The caller may try again, and the next request is answered."""
    engine = new_engine(dialect)
    await engine.wait_ready()
    server.faults += [fault]
    with pytest.raises(EngineLostError):
        await collect_reply(engine, build_request())

    assert (await collect_reply(engine, build_request()))[0] == next_ids(PROMPT, 8)


async def test_a_reply_with_a_gap_is_lost_and_not_begun_again(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """The first token has been passed on when the server refuses to encode the third."""
    engine = new_engine("llama.cpp")
    await engine.wait_ready()
    server.faults += [Fault.NO_ENCODING]
    events = engine.generate(build_request())

    assert await anext(events) == Tokens(tuple(next_ids(PROMPT, 1)), ANY)
    with pytest.raises(EngineLostError):
        await anext(events)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stop_does_not_wait_for_the_server(
    server: FakeInferenceServer, new_engine: NewEngine, dialect: str
) -> None:
    """The request ends here while the server still works on it."""
    engine = new_engine(dialect)
    await engine.wait_ready()
    server.faults += [Fault.LATE_END]
    server.gate.clear()
    async with aclosing(engine.generate(build_request(count=100))) as events:
        assert isinstance(await anext(events), Tokens)
        engine.abort_request("r")
        assert isinstance(await anext(events), Finished)

    assert (engine.read_stats().running, server.running) == (0, 1)
    server.gate.set()
    await server.wait_running(0)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_server_that_reads_another_prompt_is_refused(
    server: FakeInferenceServer, new_engine: NewEngine, dialect: str
) -> None:
    """Text could forge control tokens there."""
    server.faults += [Fault.WRONG_PROMPT]

    with pytest.raises(LoadError, match="the server read"):
        await new_engine(dialect).wait_ready()


async def test_a_prompt_read_wrongly_later_loses_the_request(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """Its tokens are not passed on."""
    engine = new_engine()
    await engine.wait_ready()
    server.faults += [Fault.WRONG_PROMPT]
    with pytest.raises(EngineLostError, match="other token ids"):
        await collect_reply(engine, build_request())


async def test_a_refused_request_is_not_repeated(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """Status 400 means that it can never run."""
    engine = new_engine()
    await engine.wait_ready()
    server.faults += [Fault.REFUSED]
    with pytest.raises(RequestRefusedError):
        await collect_reply(engine, build_request())


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stopped_request_leaves_the_server(
    server: FakeInferenceServer, new_engine: NewEngine, dialect: str
) -> None:
    """The stream is closed, and aborted by its name where closing is not enough."""
    engine = new_engine(dialect)
    await engine.wait_ready()
    server.gate.clear()
    async with aclosing(engine.generate(build_request(count=100))) as events:
        assert isinstance(await anext(events), Tokens)
        await server.wait_running(1)
        engine.abort_request("r")
        await anext(events)
    await server.wait_running(0)

    assert engine.read_stats().running == 0
    if dialect == "sglang":
        await server.wait_for_abort(server.posts[-1][1]["rid"])


async def test_a_closed_iterator_leaves_the_server(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """A caller that goes away holds no slot."""
    engine = new_engine()
    await engine.wait_ready()
    server.gate.clear()
    async with aclosing(engine.generate(build_request(count=100))) as events:
        await anext(events)
    await server.wait_running(0)


async def test_requests_wait_for_a_server_that_is_away(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """A restart of the server loses what runs. What comes then waits until it is back."""
    async with FakeInferenceServer().serve() as first:
        port = int(first.url.rpartition(":")[2])
        engine = new_engine(url=first.url)
        await engine.wait_ready()
        first.gate.clear()
        lost = asyncio.create_task(collect_reply(engine, build_request(count=100)))
        await first.wait_running(1)
    with pytest.raises(EngineLostError):
        await lost
    assert engine.health.state is EngineState.LOADING
    waiting = asyncio.create_task(collect_reply(engine, build_request()))
    async with FakeInferenceServer().serve(port):
        assert (await waiting)[0] == next_ids(PROMPT, 8)
    assert engine.health.restarts == 1


async def test_a_wrong_key_names_its_setting(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """The key itself is in no line."""
    server.key = "right"
    engine = new_engine(key="wrong-key")
    with pytest.raises(LoadError, match="rejects the key"):
        await engine.wait_ready()

    assert engine.health.setting == "STARCHAT_ENGINE_KEY"
    assert "wrong-key" not in engine.health.error


async def test_a_key_is_sent(server: FakeInferenceServer, new_engine: NewEngine) -> None:
    """With the key that the server asks for, everything works."""
    server.key = "right"

    assert (await collect_reply(new_engine(key="right"), build_request()))[0]


async def test_a_thread_is_named_by_a_hash(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """Salt and session say nothing of Slack."""
    engine = new_engine()
    await collect_reply(engine, build_request())
    _, body, headers = server.posts[-1]

    assert len(headers["X-Session-ID"]) == len(body["cache_salt"]) == 64
    assert "T1" not in json.dumps([body, headers])


async def test_running_requests_fail_at_shutdown(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """Nothing waits for the server."""
    engine = new_engine()
    await engine.wait_ready()
    server.faults += [Fault.SILENT]
    running = asyncio.create_task(collect_reply(engine, build_request()))
    await server.wait_running(1)
    await engine.shut_down()
    with pytest.raises(EngineLostError):
        await running

    assert engine.health.state is EngineState.CLOSED
