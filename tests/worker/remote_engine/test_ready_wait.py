"""Stop and deadline of a request that waits until its engine is ready, local or remote."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from testing.inference_server import FakeInferenceServer, next_ids
from tests.worker.remote_engine.engine_contract import (
    PROMPT,
    NewEngine,
    build_request,
    collect_reply,
)
from worker.engine import Engine, Finished, FinishReason
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig


@pytest.fixture(params=["local", "remote"])
async def waiting_engine(
    request: pytest.FixtureRequest, new_engine: NewEngine
) -> AsyncIterator[Engine]:
    """An engine that never gets ready: no server is there, or it loads after that one."""
    remote = new_engine(url="http://127.0.0.1:9")
    if request.param == "remote":
        yield remote
        return
    client = EngineClient(EngineConfig(), loads_after=remote)
    client.start_loading()
    yield client
    await remote.shut_down()
    await client.shut_down()


async def test_a_stop_ends_a_waiting_request(waiting_engine: Engine) -> None:
    """It has no tokens, and its id may be used again."""
    for _ in range(2):
        waiting = asyncio.create_task(collect_reply(waiting_engine, build_request()))
        while not waiting.done():
            await asyncio.sleep(0)
            waiting_engine.abort_request("r")

        assert await waiting == ([], Finished(FinishReason.STOPPED, len(PROMPT), 0, 0.0))


async def test_a_deadline_ends_a_waiting_request(waiting_engine: Engine) -> None:
    """Like one that runs."""
    request = build_request(deadline=time.monotonic())

    assert await collect_reply(waiting_engine, request) == (
        [],
        Finished(FinishReason.TIMEOUT, len(PROMPT), 0, 0.0),
    )


async def test_two_waiting_requests_have_two_ids(waiting_engine: Engine) -> None:
    """As running ones."""
    first = asyncio.create_task(collect_reply(waiting_engine, build_request()))
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="running already"):
        await collect_reply(waiting_engine, build_request())
    waiting_engine.abort_request("r")

    assert (await first)[1].reason is FinishReason.STOPPED


async def test_a_waiting_request_runs_once_the_server_is_there(
    server: FakeInferenceServer, new_engine: NewEngine
) -> None:
    """A stop of another request does not end it."""
    server.models = []
    engine = new_engine()
    server.models = ["served"]
    waiting = asyncio.create_task(collect_reply(engine, build_request()))
    await asyncio.sleep(0)
    engine.abort_request("another")

    assert (await waiting)[0] == next_ids(PROMPT, 8)
