"""Runs prompts on the engine: waits for the model and for a slot, streams the text."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from contract.conversation import Conversation, Speaker, Turn
from worker import render
from worker.engine import (
    Engine,
    EngineEvent,
    Finished,
    FinishReason,
    LoadError,
    ModelInfo,
    Request,
    SamplingParams,
)
from worker.engine.health import EngineState
from worker.prompt.builder import Prompt, SystemPromptTooLongError, build_prompt
from worker.prompt.chat_encoder import NO_GENERATED_IDS, ChatEncoder, GeneratedIds
from worker.prompt.tokenizer import CheckpointError, IncrementalDetokenizer, Tokenizer
from worker.render import Message

log = structlog.get_logger()

PROBE: Final = (Turn(speaker=Speaker.USER, text="?", ts="0.0"),)
"""A conversation that must fit, whatever the system prompt."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is known once the model is loaded."""

    model: ModelInfo
    dialogue: ChatEncoder
    slots: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the operator wants replies to be generated; `new_tokens` is their longest length."""

    new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    system: str


@dataclass(slots=True)
class Reading:
    """
    A reply while it is generated, and what is known of it at the end.

    It is cut at its `deadline` (s, monotonic).
    """

    deadline: float | None = None
    text: str = ""
    ids: tuple[int, ...] = ()
    """The ids by which the model wrote exactly this text, where there are such."""
    reason: FinishReason = FinishReason.STOPPED
    new_tokens: int = 0
    first: float | None = None
    """Seconds until the first text."""


class Pace:
    """
    The average of seconds per reply: of all at first, then of about so many of the newest.

    One reply may be a hundred times as long as another, so an average of few would say little.
    """

    def __init__(self, many: int = 50) -> None:
        """`many` replies are enough to know the average."""
        self._many = many
        self._counted = 0
        self.seconds: float | None = None

    def add(self, seconds: float) -> None:
        """Count one reply."""
        self._counted = min(self._counted + 1, self._many)
        before = self.seconds or 0.0
        self.seconds = before + (seconds - before) / self._counted


class Generation:
    """The engine, its tokenizer and its slots, as one job needs them."""

    def __init__(self, engine: Engine, wishes: Wishes) -> None:
        """Use `engine`, which may still be loading."""
        self._engine = engine
        self._wishes = wishes
        self._room: asyncio.Task[Room] | None = None
        self._alone = asyncio.Lock()
        self.pace = Pace()
        self.running = 0
        self.waiting = 0

    def loading(self) -> bool:
        """Tell whether a job that begins now would have to wait for the model."""
        room = self.load()
        unknown = not room.done() or room.exception() is not None
        return unknown or self._engine.health.state is not EngineState.READY

    def load(self) -> asyncio.Task[Room]:
        """Begin to wait for the model; the task ends with `LoadError` if there will be none."""
        if self._room is None:
            self._room = asyncio.create_task(self._load())
        return self._room

    async def room(self) -> Room:
        """Wait for the model. Raises `LoadError`."""
        return await asyncio.shield(self.load())

    async def _load(self) -> Room:
        model = await self._engine.wait_ready()
        try:
            tokenizer = await asyncio.to_thread(Tokenizer.from_checkpoint, model.directory)
            dialogue = ChatEncoder.from_checkpoint(model.directory, tokenizer, model.eos_ids)
            room = Room(model, dialogue, asyncio.Semaphore(model.slots))
            await self.prompt(room, PROBE)
        except (CheckpointError, SystemPromptTooLongError) as error:
            raise LoadError(str(error)) from error
        log.info(
            "model loaded", device=model.device, slots=model.slots, positions=model.max_positions
        )
        return room

    async def prompt(
        self, room: Room, turns: Conversation, spelled: GeneratedIds = NO_GENERATED_IDS
    ) -> Prompt:
        """Build the prompt in a thread; raises `QuestionTooLongError`."""
        return await asyncio.to_thread(
            build_prompt,
            turns,
            dialogue=room.dialogue,
            system=self._wishes.system,
            positions=room.model.max_positions,
            max_new_tokens=self._wishes.new_tokens,
            spelled=spelled,
        )

    @asynccontextmanager
    async def slot(self, room: Room, *, alone: bool) -> AsyncIterator[None]:
        """
        Hold one of the engine's slots. With `alone` no other such job runs on this worker.

        A job at its last attempt may be what ends the engine each time: of those only one runs at
        a time, so it cannot take the attempts of the others with it.
        """
        async with contextlib.AsyncExitStack() as stack:
            self.waiting += 1
            try:
                if alone:
                    await stack.enter_async_context(self._alone)
                await stack.enter_async_context(room.slots)
                await self._engine.wait_ready()
            finally:
                self.waiting -= 1
            self.running += 1
            started = time.monotonic()
            try:
                yield
                self.pace.add(time.monotonic() - started)
            finally:
                self.running -= 1

    def sign(self) -> Message:
        """Return what a reader should see of a job that begins to wait now."""
        if self.loading():
            return render.compose_loading()
        room = self.load().result()
        if not room.slots.locked():
            return render.compose_growing("")
        pace = self.pace.seconds
        wait = None if pace is None else (self.waiting + 1) * pace / room.model.slots
        return render.compose_waiting(self.waiting, wait)

    async def stream(
        self, room: Room, name: str, prompt: Prompt, scope: str, reading: Reading
    ) -> AsyncGenerator[str]:
        """Generate; yields the text so far each time it grows, and fills in `reading`."""
        text = IncrementalDetokenizer(room.dialogue.tokenizer, room.dialogue.stop_strings)
        started, ids = time.monotonic(), list[int]()
        async with aclosing(self._events(room, name, prompt, scope, reading.deadline)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    reading.reason, reading.new_tokens = event.reason, event.new_tokens
                    break
                grown = text.append_ids(event.ids)
                ids += event.ids
                reading.new_tokens += len(event.ids)
                if grown:
                    reading.first = reading.first or time.monotonic() - started
                    reading.text += grown
                    yield reading.text
                if text.stopped:
                    reading.reason = FinishReason.STOP
                    break
        reading.text += text.flush_text()
        if room.dialogue.tokenizer.encodes_exactly(ids, reading.text):
            reading.ids = tuple(ids)

    def _events(
        self, room: Room, name: str, prompt: Prompt, scope: str, deadline: float | None
    ) -> AsyncGenerator[EngineEvent]:
        wishes = self._wishes
        sampling = SamplingParams(
            max_new_tokens=prompt.max_new_tokens,
            temperature=wishes.temperature,
            top_k=wishes.top_k,
            top_p=wishes.top_p,
            seed=zlib.crc32(name.encode()),
        )
        request = Request(
            id=name,
            prompt=prompt.token_ids,
            sampling=sampling,
            stop_ids=room.dialogue.stop_token_ids,
            scope=scope,
            deadline=deadline,
        )
        return self._engine.generate(request)

    def stop(self, name: str) -> None:
        """End a request; its stream ends with what there is."""
        self._engine.abort_request(name)
