"""The parent's end of the engine: asyncio, torch-free, and it outlives its child."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import structlog

from worker.engine import (
    EngineError,
    EngineLostError,
    Event,
    Finished,
    LoadError,
    Model,
    Request,
    RequestRefusedError,
    Stats,
    protocol,
)
from worker.engine.child_process import Child
from worker.engine.health import Health, Patience, State
from worker.engine.in_flight import Answers
from worker.engine.options import Options
from worker.engine.validation import refusal

log = structlog.get_logger()


class EngineProcess:
    """
    An `Engine` whose model lives in a child process.

    `open` (or the first `ready` or `start`) starts the child; a request begun while the model is
    loading waits for it. A child that dies or hangs is started again and its requests end with
    `EngineLostError`. `on_change` is called with every new `Health`.
    """

    def __init__(
        self,
        options: Options,
        *,
        patience: Patience | None = None,
        on_change: Callable[[Health], None] | None = None,
    ) -> None:
        self._options = options
        self._patience = patience or Patience()
        self._on_change = on_change
        self._health = Health()
        self._turned = asyncio.Event()
        self._closing = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._child: Child | None = None
        self._model: Model | None = None
        self._answers = Answers()
        self._heard = 0.0

    @property
    def health(self) -> Health:
        """What the engine is doing now."""
        return self._health

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid if self._child else None

    def open(self) -> None:
        """Begin to load the model; does not wait for it."""
        if self._supervisor is None and not self._closing.is_set():
            self._supervisor = asyncio.create_task(self._supervise())

    async def ready(self) -> Model:
        """Wait until the model is loaded. Raises `LoadError` if it cannot be."""
        self.open()
        while self._model is None:
            if self._health.state is State.FAILED:
                raise LoadError(self._health.line)
            if self._closing.is_set():
                raise EngineLostError("the engine is closed")
            await self._turned.wait()
        return self._model

    async def start(self, request: Request) -> AsyncGenerator[Event]:
        """Continue a prompt; see `Engine.start`. A prompt that is refused is never sent."""
        model = await self.ready()
        why = refusal(request, model.positions, model.vocabulary)
        if why is not None:
            raise RequestRefusedError(why)
        if not self._answers:
            self._heard = time.monotonic()
        number, queue = self._answers.begin(request)
        self._send({"start": protocol.request_to(replace(request, id=number))})
        try:
            event: Event | EngineError | None = None
            while not isinstance(event, Finished):
                event = await queue.get()
                if isinstance(event, EngineError):
                    raise event
                yield event
        finally:
            if self._answers.end(request.id, number):
                self._send({"stop": number})

    def stop(self, request_id: str) -> None:
        """End a request within one step; its iterator yields `Finished(STOPPED)`."""
        number = self._answers.number(request_id)
        if number is not None:
            self._send({"stop": number})

    def forget(self, scope: str) -> None:
        """Wipe what is kept of requests of this scope; a child that is loading keeps nothing."""
        self._send({"forget": scope})

    def stats(self) -> Stats:
        """Return what the child last said, and the pace of the last seconds."""
        return self._answers.stats()

    async def close(self) -> None:
        """End the child and wait for it; requests still running end with `EngineLostError`."""
        self._closing.set()
        self._answers.lose("the engine is closed")
        if self._child is not None:
            await self._child.close(self._patience.close)
        if self._supervisor is not None:
            await self._supervisor
        self._change(state=State.CLOSED)

    async def _supervise(self) -> None:
        """Run one child after another until told to close or until the model cannot be loaded."""
        pause, deaths = self._patience.first_restart, 0
        while not self._closing.is_set():
            if await self._live():
                pause, deaths = self._patience.first_restart, 0
            else:
                deaths += 1
            if deaths == self._patience.deaths and self._health.state is not State.FAILED:
                line = f"the engine's process died {deaths} times before the model was loaded"
                self._change(state=State.FAILED, line=line)
            if self._closing.is_set() or self._health.state is State.FAILED:
                return
            restarts = self._health.restarts + 1
            self._change(state=State.LOADING, stage="starting", fraction=0.0, restarts=restarts)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), pause)
            pause = min(2 * pause, self._patience.last_restart)

    async def _live(self) -> bool:
        """Run one child from its start to its end; say whether it had loaded the model."""
        try:
            self._child = child = await Child.spawn(self._options)
        except OSError as error:
            log.error("engine_not_started", error=type(error).__name__)  # noqa: TRY400 - no text
            return False
        watch = asyncio.create_task(self._watch(child))
        try:
            await self._listen(child)
        except ValueError:
            log.error("engine_talks_nonsense", pid=child.pid)  # noqa: TRY400 - no text
            child.kill()
        watch.cancel()
        await child.close(self._patience.close)
        loaded = self._model is not None
        self._child = self._model = None
        lost = self._answers.lose("the engine's process ended")
        if not self._closing.is_set():
            log.warning("engine_ended", pid=child.pid, code=child.code, lost=lost)
        return loaded

    async def _listen(self, child: Child) -> None:
        """Hear what the child says until it says no more. Raises `ValueError` for nonsense."""
        if self._closing.is_set():
            return
        async for message in child.messages():
            self._hear(message)

    async def _watch(self, child: Child) -> None:
        """Kill a child that is busy and takes no step."""
        late = 0
        while True:
            await asyncio.sleep(min(1.0, self._patience.step / 4))
            silent = time.monotonic() - self._heard
            # Twice, for after a pause of this process the child's lines are still to be read.
            late = late + 1 if self._answers and silent > self._patience.step else 0
            if late > 1:
                log.error("engine_hangs", pid=child.pid, seconds=round(silent, 1))
                child.kill()
                return

    def _hear(self, message: dict[str, Any]) -> None:
        self._heard = time.monotonic()
        if "loading" in message:
            self._change(stage=message["loading"], fraction=message["fraction"])
        elif "ready" in message:
            self._model = protocol.model_from(message["ready"])
            self._change(state=State.READY, stage="", fraction=1.0)
        elif "unloadable" in message:
            self._change(state=State.FAILED, line=message["unloadable"])
        else:
            self._answers.hear(message)

    def _send(self, message: dict[str, Any]) -> None:
        if self._child is not None:
            self._child.send(message)

    def _change(self, **fields: Any) -> None:
        self._health = replace(self._health, **fields)
        self._turned.set()
        self._turned = asyncio.Event()
        if self._on_change is not None:
            self._on_change(self._health)
