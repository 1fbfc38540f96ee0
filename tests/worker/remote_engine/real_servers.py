"""Checks of a remote engine that tests run on every real server."""

import asyncio
import random
from contextlib import aclosing

import pytest

from testing.checkpoints import wide_bigcode
from testing.inference_process import InferenceProcess
from tests.worker.remote_engine.engine_contract import build_request, collect_reply
from worker.engine import EngineLostError, Request, SamplingParams
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
from worker.remote_engine.client import RemoteEngine


async def check_greedy_replies(engine: RemoteEngine, stop_ids: tuple[int, ...] = ()) -> None:
    """Twenty prompts in float32 have the same ids as on the own engine."""
    own = EngineClient(EngineConfig(model=str(wide_bigcode()), dtype="float32", device="cpu"))
    dice = random.Random(5)  # noqa: S311 - not a secret
    for number in range(20):
        prompt = tuple(dice.randrange(1, 200) for _ in range(dice.randrange(1, 60)))
        sampling = SamplingParams(max_new_tokens=24, temperature=0.0)
        request = Request(f"r{number}", prompt, sampling, stop_ids=stop_ids, scope="T1/C1/1.0")
        replies = [await collect_reply(each, request) for each in (own, engine)]
        assert replies[0][0] == replies[1][0]
    await own.shut_down()


async def stop_at_random_places(engine: RemoteEngine, count: int, at_once: int) -> None:
    """Stop every second request after some tokens, and close the iterators of the others."""
    dice = random.Random(7)  # noqa: S311 - not a secret
    places = asyncio.Semaphore(at_once)

    async def stop_one(number: int) -> None:
        request = build_request(f"r{number}", count=200)
        async with places, aclosing(engine.generate(request)) as events:
            for _ in range(dice.randrange(1, 12)):
                await anext(events)
            if number % 2:
                engine.abort_request(request.id)
                async for _ in events:
                    pass

    await asyncio.gather(*map(stop_one, range(count)))


async def check_restart(engine: RemoteEngine, server: InferenceProcess) -> None:
    """A restart of the server loses what runs. What waits is served."""
    events = engine.generate(build_request(count=400))
    await anext(events)
    await asyncio.to_thread(server.stop_serving)
    with pytest.raises(EngineLostError):
        _ = [event async for event in events]
    waiting = asyncio.create_task(collect_reply(engine, build_request(count=5)))
    server.start_serving()
    assert len((await waiting)[0]) == 5
    await engine.shut_down()
