"""Checks of the engine interface, which tests run on every engine."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing

import pytest

from worker.engine import (
    Engine,
    Finished,
    FinishReason,
    Request,
    RequestRefusedError,
    SamplingParams,
    Tokens,
)
from worker.remote_engine.client import RemoteEngine

NewEngine = Callable[..., RemoteEngine]
PROMPT = (5, 7, 11)


def build_request(name: str = "r", count: int = 8, **fields: object) -> Request:
    """Return a greedy request for `count` tokens."""
    sampling = SamplingParams(max_new_tokens=count, temperature=0.0)
    return Request(name, PROMPT, sampling, scope="T1/C1/1.0", **fields)  # type: ignore[arg-type]


async def collect_reply(engine: Engine, request: Request) -> tuple[list[int], Finished]:
    """Return the ids of a reply and its last event."""
    ids: list[int] = []
    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            if isinstance(event, Finished):
                return ids, event
            ids += event.ids
    raise AssertionError("no last event")


async def check_length(engine: Engine) -> None:
    """A reply ends at its limit, and its counts are right."""
    ids, finished = await collect_reply(engine, build_request(count=5))

    assert len(ids) == finished.new_tokens == 5
    assert finished.reason is FinishReason.LENGTH
    assert finished.prompt_tokens == len(PROMPT)
    assert finished.gpu_seconds > 0


async def check_stop_ids(engine: Engine) -> None:
    """A reply ends before its first stop id, which is not among its tokens."""
    ids, _ = await collect_reply(engine, build_request())
    stop = next(token for token in ids if token != ids[0])
    short, finished = await collect_reply(engine, build_request(stop_ids=(stop,)))

    assert short == ids[: ids.index(stop)]
    assert finished.reason is FinishReason.STOP


async def check_abort(engine: Engine) -> None:
    """An aborted request ends with the tokens so far."""
    request = build_request("long", count=200)
    ids: list[int] = []
    async with aclosing(engine.generate(request)) as events:
        async for event in events:
            if isinstance(event, Tokens):
                ids += event.ids
                engine.abort_request("long")
                engine.abort_request("unknown")
            else:
                assert event.reason is FinishReason.STOPPED
                assert len(ids) <= event.new_tokens < 200


async def check_deadline(engine: Engine) -> None:
    """A request ends at its deadline with what it has."""
    request = build_request(count=200, deadline=time.monotonic() - 1)

    assert (await collect_reply(engine, request))[1].reason is FinishReason.TIMEOUT


async def check_refusals(engine: Engine) -> None:
    """What can never run is refused before it runs."""
    model = await engine.wait_ready()
    for prompt in ((), (model.vocab_size,), (1,) * model.max_positions):
        request = Request("r", prompt, SamplingParams(max_new_tokens=4))
        with pytest.raises(RequestRefusedError):
            await collect_reply(engine, request)


async def check_neighbours(engine: Engine) -> None:
    """Requests side by side have the replies that they have alone, also after `clear_scope`."""
    alone, _ = await collect_reply(engine, build_request())
    requests = [build_request(f"r{number}") for number in range(4)]
    replies = await asyncio.gather(*(collect_reply(engine, one) for one in requests))
    engine.clear_scope("T1/C1/1.0")
    later, _ = await collect_reply(engine, build_request())

    assert [ids for ids, _ in replies] == [alone] * 4
    assert later == alone
    assert engine.read_stats().running == 0


async def start_candidates(engine: Engine, prompt: tuple[int, ...], count: int) -> list[list[int]]:
    """Return replies to a prompt by `count` seeds; the first has a token when the others begin."""
    requests = [
        Request(f"c{seed}", prompt, SamplingParams(12, temperature=1.5, seed=seed), scope="T1/C1/1")
        for seed in range(count)
    ]
    others: list[asyncio.Task[tuple[list[int], Finished]]] = []
    ids: list[int] = []
    async with aclosing(engine.generate(requests[0])) as events:
        async for event in events:
            if isinstance(event, Tokens):
                ids += event.ids
                others = others or [
                    asyncio.create_task(collect_reply(engine, one)) for one in requests[1:]
                ]
    return [ids, *(reply for reply, _ in await asyncio.gather(*others))]


async def check_candidates(engine: Engine) -> None:
    """Several seeds of one prompt run side by side, each to its own end."""
    replies = await start_candidates(engine, PROMPT, 4)

    assert [len(ids) for ids in replies] == [12] * 4


CHECKS = (
    check_length,
    check_stop_ids,
    check_abort,
    check_deadline,
    check_refusals,
    check_neighbours,
    check_candidates,
)
