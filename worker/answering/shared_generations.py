"""
Shared generations: identical requests in flight become one request of the engine.

The first reply opens it. A later one gets the events so far, then the new ones. A generation
depends on none of its replies: it continues while one of them listens.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from contract.job import Job, prefix_scope
from worker.aio import cancel_and_wait
from worker.engine import (
    Engine,
    EngineEvent,
    Finished,
    FinishReason,
    Request,
    SamplingParams,
    Tokens,
)

HoldSlot = Callable[[], AbstractAsyncContextManager[None]]


def name_audience(job: Job) -> str:
    """
    Return who can read a job's thread: its workspace's full members, or the people in its channel.

    Replies share a generation within one audience only: its duration must not tell the one who
    asks what is asked where that person can't read.
    """
    thread = job.thread
    return prefix_scope(thread.team, *(() if job.is_public else (thread.channel,)))


def find_audience(job: Job, *, is_alone: bool) -> str | None:
    """
    Return the people with whose replies a job's reply may share a generation; `None` for none.

    Work on a finished reply has its own generation. `is_alone` are a reply with several candidates,
    and a last attempt, which may be the one that crashes the engine.
    """
    return None if is_alone or job.rework is not None else name_audience(job)


class ShareKey(NamedTuple):
    """What is equal for requests that share a generation. The seed of `sampling` is 0."""

    audience: str
    prompt: tuple[int, ...]
    sampling: SamplingParams
    stop_ids: tuple[int, ...]

    @classmethod
    def from_request(cls, request: Request, audience: str) -> Self:
        """Return the key of a request with any seed."""
        sampling = replace(request.sampling, seed=0)
        return cls(audience, request.prompt, sampling, request.stop_ids)


@dataclass(slots=True, eq=False)
class Subscription:
    """
    One reply's part in a generation; `request` has the seed of the generation.

    It ends at the request's own deadline, by which the generation does not end for the others.
    The oldest subscription pays: the engine's time and tokens count for it alone, from its first
    event to its last.
    """

    request: Request
    gpu_seconds: float = 0.0
    num_tokens: int = 0
    """Tokens that the reply has received."""
    paid_tokens: int = 0
    is_stopped: bool = False

    @property
    def is_late(self) -> bool:
        """Whether the reply's deadline has passed."""
        deadline = self.request.deadline
        return deadline is not None and deadline <= time.monotonic()

    @property
    def shared_tokens(self) -> int:
        """Tokens that the reply has received and another one has paid for."""
        return max(0, self.num_tokens - self.paid_tokens)


class SharedGeneration:
    """One request of an engine, and the replies that receive its events."""

    def __init__(self, request: Request) -> None:
        self.has_slot = False
        self.task: asyncio.Task[None] | None = None
        self._request = request
        self._subscriptions: list[Subscription] = []
        self._events: list[EngineEvent] = []
        self._gpu_seconds = 0.0
        self._error: Exception | None = None
        self._is_wanted = asyncio.Event()
        self._changed = asyncio.Event()

    def subscribe(self, request: Request) -> Subscription:
        """Add a reply, which gets all events from the first one on."""
        sampling = replace(request.sampling, seed=self._request.sampling.seed)
        subscription = Subscription(replace(request, sampling=sampling))
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> bool:
        """Remove a reply; return whether it was the last one."""
        self._subscriptions.remove(subscription)
        return not self._subscriptions

    async def run(self, engine: Engine, hold_slot: HoldSlot) -> None:
        """Run the request in a slot; keep its events, or the error that ends it."""
        try:
            async with hold_slot():
                self.has_slot = True
                self._notify()
                await self._run_request(engine)
        except Exception as error:  # noqa: BLE001 - each reply gets it
            self._error = error
        self._notify()

    async def _run_request(self, engine: Engine) -> None:
        """Send the request once a reply wants its events: until then, its attempt is uncounted."""
        await self._is_wanted.wait()
        # Each reply ends at its own deadline, and the last one that leaves ends the request.
        request = replace(self._request, deadline=None)
        async with aclosing(engine.generate(request)) as events:
            async for event in events:
                self._add_event(event)

    async def wait_for_slot(self) -> None:
        """Wait until the generation has a slot. Raises the error that ended it before."""
        while not self.has_slot:
            if self._error is not None:
                raise self._error
            await self._changed.wait()

    async def follow(self, subscription: Subscription) -> AsyncGenerator[EngineEvent]:
        """Yield the events for one reply; see `Engine.generate`."""
        self._is_wanted.set()
        position = 0
        while not (subscription.is_stopped or subscription.is_late):
            if position < len(self._events):
                event = self._events[position]
                position += 1
                if isinstance(event, Tokens):
                    subscription.num_tokens += len(event.ids)
                yield replace(event, gpu_seconds=subscription.gpu_seconds)
                if isinstance(event, Finished):
                    return
                # A late reply must not hold the event loop while it reads the events so far.
                await asyncio.sleep(0)
            elif self._error is not None:
                raise self._error
            else:
                await self._wait_for_change(subscription.request.deadline)
        reason = FinishReason.STOPPED if subscription.is_stopped else FinishReason.TIMEOUT
        num_tokens, seconds = subscription.num_tokens, subscription.gpu_seconds
        yield Finished(reason, len(self._request.prompt), num_tokens, seconds)

    def stop(self, subscription: Subscription) -> None:
        """End the events of one reply."""
        subscription.is_stopped = True
        self._notify()

    async def _wait_for_change(self, deadline: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._changed.wait()

    def _add_event(self, event: EngineEvent) -> None:
        self._events.append(event)
        spent, self._gpu_seconds = event.gpu_seconds - self._gpu_seconds, event.gpu_seconds
        for payer in self._subscriptions[:1]:
            payer.gpu_seconds += spent
            payer.paid_tokens += len(event.ids) if isinstance(event, Tokens) else 0
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class SharedGenerations:
    """The generations of one engine that further replies may join."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: dict[ShareKey, SharedGeneration] = {}
        self._joined: dict[str, tuple[SharedGeneration, Subscription]] = {}
        self.on_join: Callable[[], None] = lambda: None
        """Called when a reply has joined a generation: it may need no slot."""

    @property
    def num_followers(self) -> int:
        """Number of replies that use the slot of another one."""
        generations = {id(generation) for generation, _ in self._joined.values()}
        return len(self._joined) - len(generations)

    def is_running(self, request: Request, audience: str) -> bool:
        """Return whether a generation has a slot that a reply to this request could join."""
        generation = self._open.get(ShareKey.from_request(request, audience))
        return generation is not None and generation.has_slot

    @asynccontextmanager
    async def join_generation(
        self, request: Request, audience: str, hold_slot: HoldSlot
    ) -> AsyncIterator[Request]:
        """
        Join the generation of an identical request, or start one in a slot; wait for its slot.

        Yields the request with the generation's seed. The generation is aborted when its last reply
        leaves. Raises what ends the wait for the slot.
        """
        key = ShareKey.from_request(request, audience)
        generation = self._open.get(key)
        if generation is None:
            generation = self._open[key] = SharedGeneration(request)
            generation.task = asyncio.create_task(self._run_generation(key, generation, hold_slot))
        subscription = generation.subscribe(request)
        self._joined[request.id] = (generation, subscription)
        self.on_join()
        try:
            await generation.wait_for_slot()
            yield subscription.request
        finally:
            del self._joined[request.id]
            if generation.unsubscribe(subscription) and generation.task is not None:
                self._close_generation(key, generation)
                await cancel_and_wait({generation.task})

    def read_events(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Continue a prompt: by the generation that the request has joined, or by itself."""
        joined = self._joined.get(request.id)
        return self._engine.generate(request) if joined is None else joined[0].follow(joined[1])

    def end_request(self, request_id: str) -> None:
        """Finish a request. A generation that it has joined continues for the others."""
        joined = self._joined.get(request_id)
        if joined is None:
            self._engine.abort_request(request_id)
        else:
            joined[0].stop(joined[1])

    def count_shared_tokens(self, request_id: str) -> int:
        """Return how many tokens a request has from a generation that another one pays for."""
        joined = self._joined.get(request_id)
        return 0 if joined is None else joined[1].shared_tokens

    async def _run_generation(
        self, key: ShareKey, generation: SharedGeneration, hold_slot: HoldSlot
    ) -> None:
        try:
            await generation.run(self._engine, hold_slot)
        finally:
            self._close_generation(key, generation)

    def _close_generation(self, key: ShareKey, generation: SharedGeneration) -> None:
        """Let no further reply join."""
        if self._open.get(key) is generation:
            del self._open[key]
