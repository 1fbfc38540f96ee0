"""Shared generations: what each reply receives, and how it leaves."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from testing.scripted_engine import ScriptedEngine
from worker.aio import cancel_and_wait
from worker.answering.shared_generations import SharedGenerations
from worker.engine import (
    EngineEvent,
    EngineLostError,
    Finished,
    FinishReason,
    Request,
    SamplingParams,
    Tokens,
)

AUDIENCE: Final = "T1"
REQUEST: Final = Request("a", (1, 2), SamplingParams(seed=7), (0,), "T1/C1/1.0")
END: Final = Finished(FinishReason.STOP, 2, 3, 3.0)


@dataclass
class FedEngine(ScriptedEngine):
    """An engine whose test feeds it with the events of its requests."""

    requests: list[Request] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    feed: "asyncio.Queue[EngineEvent | Exception]" = field(default_factory=asyncio.Queue)

    async def _continue_prompt(self, request: Request) -> AsyncGenerator[EngineEvent]:
        self.requests.append(request)
        try:
            while True:
                event = await self.feed.get()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed.append(request.id)


class Listener:
    """One reply that joins a generation and reads its events."""

    def __init__(self, shared: SharedGenerations, request: Request, audience: str) -> None:
        self.events: list[EngineEvent] = []
        self.seed: int | None = None
        self.shared_tokens = 0
        self.heard = asyncio.Event()
        self.slot_error: Exception | None = None
        self._slots = asyncio.Semaphore(1)
        self.task = asyncio.create_task(self._listen(shared, request, audience))

    async def _listen(self, shared: SharedGenerations, request: Request, audience: str) -> None:
        async with shared.join_generation(request, audience, self.hold_slot) as joined:
            self.seed = joined.sampling.seed
            try:
                async for event in shared.read_events(joined):
                    self.events.append(event)
                    self.heard.set()
            finally:
                self.shared_tokens = shared.count_shared_tokens(request.id)

    @asynccontextmanager
    async def hold_slot(self) -> AsyncIterator[None]:
        """Hold a slot; a test may have taken it first, or let this fail."""
        async with self._slots:
            if self.slot_error is not None:
                raise self.slot_error
            yield

    async def wait_for_events(self, count: int) -> None:
        """Wait until the reply has so many events."""
        while len(self.events) < count:
            self.heard.clear()
            await self.heard.wait()

    @property
    def ids(self) -> list[int]:
        """The ids that the reply has."""
        return [token for event in self.events if isinstance(event, Tokens) for token in event.ids]


@pytest.fixture
async def engine() -> FedEngine:
    """An engine without events."""
    return FedEngine(Path(), "")


@pytest.fixture
async def shared(engine: FedEngine) -> SharedGenerations:
    """Generations of the engine."""
    return SharedGenerations(engine)


def listen(
    shared: SharedGenerations, name: str, seed: int, deadline: float | None = None
) -> Listener:
    """Let another reply ask for the same."""
    request = replace(REQUEST, id=name, sampling=SamplingParams(seed=seed), deadline=deadline)
    return Listener(shared, request, AUDIENCE)


async def start(shared: SharedGenerations, engine: FedEngine) -> tuple[Listener, Listener]:
    """Let one reply have two tokens, and then another one join it."""
    first = listen(shared, "a", 7)
    for number in (1, 2):
        engine.feed.put_nowait(Tokens((number,), float(number)))
    await first.wait_for_events(2)
    second = listen(shared, "b", 8)
    await second.wait_for_events(2)
    return first, second


async def end(engine: FedEngine, *listeners: Listener) -> None:
    """Generate the last token, and wait for the replies."""
    for event in (Tokens((3,), 3.0), END):
        engine.feed.put_nowait(event)
    await asyncio.gather(*(listener.task for listener in listeners))


async def test_late_reply_gets_what_has_come_and_what_comes(
    shared: SharedGenerations, engine: FedEngine
) -> None:
    """By one request, with its seed. The time counts once: to the reply that was there first."""
    first, second = await start(shared, engine)
    assert shared.num_followers == 1
    await end(engine, first, second)
    assert shared.num_followers == 0

    assert [request.id for request in engine.requests] == ["a"]
    assert first.ids == second.ids == [1, 2, 3]
    assert first.seed == second.seed == 7
    assert [listener.events[-1] for listener in (first, second)] == [
        END,
        replace(END, gpu_seconds=0.0),
    ]
    assert (first.shared_tokens, second.shared_tokens) == (0, 3)


async def test_request_after_the_end_has_another_generation(
    shared: SharedGenerations, engine: FedEngine
) -> None:
    """A reply that has ended is not given out again."""
    for name, seed in (("a", 7), ("b", 8)):
        listener = listen(shared, name, seed)
        await end(engine, listener)
        assert listener.seed == seed
    assert [request.id for request in engine.requests] == ["a", "b"]


@pytest.mark.parametrize("is_first_stopped", [True, False])
async def test_stop_of_one_reply_leaves_the_other_whole(
    shared: SharedGenerations, engine: FedEngine, *, is_first_stopped: bool
) -> None:
    """The engine continues; what it uses after the stop counts to the reply that is left."""
    first, second = await start(shared, engine)
    stopped, other = (first, second) if is_first_stopped else (second, first)
    shared.end_request("a" if is_first_stopped else "b")
    await stopped.task

    assert stopped.events[-1] == Finished(
        FinishReason.STOPPED, 2, 2, 2.0 if is_first_stopped else 0.0
    )
    assert engine.closed == []
    await end(engine, other)
    assert other.ids == [1, 2, 3]
    last = other.events[-1]
    assert last.gpu_seconds == (1.0 if is_first_stopped else 3.0)
    assert other.shared_tokens == (2 if is_first_stopped else 0)


async def test_last_reply_that_leaves_ends_the_request(
    shared: SharedGenerations, engine: FedEngine
) -> None:
    """By a cancellation as after a lost lease, or by a stop; then another request may begin."""
    first, second = await start(shared, engine)
    await cancel_and_wait({first.task})
    assert engine.closed == []
    shared.end_request("b")
    await second.task
    assert engine.closed == ["a"]
    assert not shared.is_running(REQUEST, AUDIENCE)

    third = listen(shared, "c", 9)
    await end(engine, third)
    assert [request.id for request in engine.requests] == ["a", "c"]


async def test_error_reaches_all_replies(shared: SharedGenerations, engine: FedEngine) -> None:
    """Each is retried by its own rules, so the next ones may share again."""
    first, second = await start(shared, engine)
    engine.feed.put_nowait(EngineLostError("gone"))
    for listener in (first, second):
        with pytest.raises(EngineLostError, match="gone"):
            await listener.task
    assert not shared.is_running(REQUEST, AUDIENCE)
    await end(engine, listen(shared, "a", 1), listen(shared, "b", 2))
    assert len(engine.requests) == 2


async def test_replies_wait_for_one_slot(shared: SharedGenerations, engine: FedEngine) -> None:
    """The first one's leaving does not cost the others their place."""
    first = listen(shared, "a", 7)
    async with first.hold_slot():
        second = listen(shared, "b", 8)
        third = listen(shared, "c", 9)
        await asyncio.sleep(0)
        assert not shared.is_running(REQUEST, AUDIENCE)
        await cancel_and_wait({first.task})
    await end(engine, second, third)

    assert [request.id for request in engine.requests] == ["a"]
    assert second.ids == third.ids == [3]
    assert second.seed == third.seed == 7
    assert (second.events[-1].gpu_seconds, third.events[-1].gpu_seconds) == (3.0, 0.0)


async def test_deadline_of_the_first_reply_is_not_that_of_a_late_one(
    shared: SharedGenerations, engine: FedEngine
) -> None:
    """Each has its own time: the first one ends during a pause, the late one has all of it."""
    first = listen(shared, "a", 7, deadline=time.monotonic() + 0.2)
    engine.feed.put_nowait(Tokens((1,), 1.0))
    second = listen(shared, "b", 8, deadline=time.monotonic() + 600.0)
    await first.task
    [last] = [event for event in first.events if isinstance(event, Finished)]
    assert last.reason is FinishReason.TIMEOUT
    assert not second.task.done()
    await end(engine, second)

    assert second.ids == [1, 3]
    assert second.events[-1] == replace(END, gpu_seconds=second.events[-1].gpu_seconds)
    assert [request.deadline for request in engine.requests] == [None]


async def test_reply_beyond_its_deadline_ends_while_tokens_come(
    shared: SharedGenerations, engine: FedEngine
) -> None:
    """The other reply's time does not make it longer; with the last one, the request ends."""
    first = listen(shared, "a", 7)
    engine.feed.put_nowait(Tokens((1,), 1.0))
    await first.wait_for_events(1)
    late = listen(shared, "b", 8, deadline=time.monotonic())
    await late.task
    assert late.events == [Finished(FinishReason.TIMEOUT, 2, 0, 0.0)]
    assert engine.closed == []
    await end(engine, first)
    assert engine.closed == ["a"]


async def test_error_before_the_slot_reaches_all_replies(
    shared: SharedGenerations, engine: FedEngine
) -> None:
    """As when the model cannot be loaded: the engine is asked for nothing."""
    first = listen(shared, "a", 7)
    first.slot_error = EngineLostError("not loaded")
    second = listen(shared, "b", 8)
    for listener in (first, second):
        with pytest.raises(EngineLostError, match="not loaded"):
            await listener.task
    assert engine.requests == []


async def test_request_that_joined_nothing_is_the_engine_s(
    shared: SharedGenerations, engine: FedEngine
) -> None:
    """Work on finished replies and candidates go their way."""
    engine.feed.put_nowait(END)
    stream = shared.read_events(REQUEST)
    assert await anext(stream) == END
    await stream.aclose()
    shared.end_request("a")
    assert shared.count_shared_tokens("a") == 0
    assert engine.requests == [REQUEST]
