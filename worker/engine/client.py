"""Engine client: the parent's end of the engine, which supervises the child process. Torch-free."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from worker.engine import (
    Engine,
    EngineError,
    EngineEvent,
    EngineHealth,
    EngineLostError,
    EngineState,
    EngineStats,
    Finished,
    LoadError,
    ModelInfo,
    Request,
    RequestRefusedError,
    protocol,
)
from worker.engine.child_process import ChildProcess
from worker.engine.in_flight import InFlightRequests
from worker.engine.protocol import EngineConfig
from worker.engine.ready_wait import ReadyWait
from worker.engine.validation import validate_request

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    Time limits of the supervision, in seconds, and the limit of early deaths.

    `step`: a busy child that reports no step for this time is killed. `min_restart_delay` and
    `max_restart_delay`: pause before a restart, which doubles. `shutdown`: time for the child to
    exit by itself. `max_early_deaths`: consecutive children that may die before the model is
    loaded.
    """

    step: float = 30.0
    min_restart_delay: float = 0.5
    max_restart_delay: float = 30.0
    shutdown: float = 5.0
    max_early_deaths: int = 3


class EngineClient:
    """
    An `Engine` whose model runs in a child process.

    `start_loading` (or the first `wait_ready` or `generate`) starts the child. A request that
    arrives while the model is loading waits for it. A child that dies or hangs is restarted; its
    requests fail with `EngineLostError`. `on_change` receives every new `EngineHealth`.
    """

    def __init__(
        self,
        config: EngineConfig,
        *,
        timeouts: Timeouts | None = None,
        on_change: Callable[[EngineHealth], None] | None = None,
        setting: str = "STARCHAT_MODEL",
        loads_after: Engine | None = None,
    ) -> None:
        """
        `setting` names the model in errors. `loads_after` is another engine of the same device.

        Each engine plans its memory by what is free, so two must not load at once. The other engine
        is shut down first: until then, this one may wait for it.
        """
        self._config = config
        self._loads_after = loads_after
        self._timeouts = timeouts or Timeouts()
        self._on_change = on_change
        self._health = EngineHealth(setting=setting)
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._child: ChildProcess | None = None
        self._model_info: ModelInfo | None = None
        self._in_flight = InFlightRequests()
        self._ready_wait = ReadyWait()
        self._last_message_at = 0.0

    @property
    def health(self) -> EngineHealth:
        """Current state."""
        return self._health

    @property
    def pid(self) -> int | None:
        """Process id of the running child."""
        return self._child.pid if self._child else None

    def start_loading(self) -> None:
        """Start loading the model without waiting for it."""
        if self._supervisor is None and not self._closing.is_set():
            self._supervisor = asyncio.create_task(self._supervise_child())

    async def wait_ready(self) -> ModelInfo:
        """
        Wait until the model is loaded.

        Raises `LoadError` if it cannot be loaded, `EngineLostError` if the engine is shut down.
        """
        self.start_loading()
        while self._model_info is None:
            if self._health.state is EngineState.FAILED:
                raise LoadError(self._health.error)
            if self._closing.is_set():
                raise EngineLostError("the engine is closed")
            await self._changed.wait()
        return self._model_info

    async def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """
        Continue a prompt; see `Engine.generate`. A refused prompt is never sent to the child.

        Raises `RequestRefusedError`, `LoadError`, `EngineLostError`, or `EngineError` if the child
        failed at this request.
        """
        # Nothing suspends before the registration if the engine is ready: a stop finds the request.
        model = self._model_info or await self._ready_wait.wait_for_model(request, self.wait_ready)
        if isinstance(model, Finished):
            yield model
            return
        reason = validate_request(request, model.max_positions, model.vocab_size)
        if reason is not None:
            raise RequestRefusedError(reason)
        if not self._in_flight:
            self._last_message_at = time.monotonic()
        wire_id, queue = self._in_flight.register_request(request)
        self._send_message({"generate": protocol.dump_request(replace(request, id=wire_id))})
        try:
            event: EngineEvent | EngineError | None = None
            while not isinstance(event, Finished):
                event = await queue.get()
                if isinstance(event, EngineError):
                    raise event
                yield event
        finally:
            if self._in_flight.unregister_request(request.id, wire_id):
                self._send_message({"abort": wire_id})

    def abort_request(self, request_id: str) -> None:
        """Finish a request within one step; its iterator yields `Finished(STOPPED)`."""
        self._ready_wait.stop_request(request_id)
        wire_id = self._in_flight.find_wire_id(request_id)
        if wire_id is not None:
            self._send_message({"abort": wire_id})

    def clear_scope(self, scope: str) -> None:
        """Erase every cached prefix within this scope; a child that is loading has none."""
        self._send_message({"clear_scope": scope})

    def read_stats(self) -> EngineStats:
        """Return the load that the child reported last, and the recent token rate."""
        return self._in_flight.summarize_load()

    async def shut_down(self) -> None:
        """End the child and wait for it; running requests fail with `EngineLostError`."""
        self._closing.set()
        self._in_flight.fail_all("the engine is closed")
        if self._child is not None:
            await self._child.close_and_wait(self._timeouts.shutdown)
        if self._supervisor is not None:
            await self._supervisor
        self._update_health(state=EngineState.CLOSED)

    async def _supervise_child(self) -> None:
        """Restart the child until shutdown, or until the model turns out not to load."""
        if self._loads_after is not None:
            with contextlib.suppress(EngineError):
                await self._loads_after.wait_ready()
        delay, deaths = self._timeouts.min_restart_delay, 0
        while not self._closing.is_set():
            if await self._run_child():
                delay, deaths = self._timeouts.min_restart_delay, 0
            else:
                deaths += 1
            if (
                deaths == self._timeouts.max_early_deaths
                and self._health.state is not EngineState.FAILED
            ):
                line = f"the engine's process died {deaths} times before the model was loaded"
                self._update_health(state=EngineState.FAILED, error=line)
            if self._closing.is_set() or self._health.state is EngineState.FAILED:
                return
            restarts = self._health.restarts + 1
            self._update_health(
                state=EngineState.LOADING, stage="starting", fraction=0.0, restarts=restarts
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), delay)
            delay = min(2 * delay, self._timeouts.max_restart_delay)

    async def _run_child(self) -> bool:
        """Run one child from start to exit; returns whether it had loaded the model."""
        try:
            self._child = child = await ChildProcess.spawn(self._config)
        except OSError as error:
            log.error("engine_not_started", error=type(error).__name__)  # noqa: TRY400 - no text
            return False
        watchdog = asyncio.create_task(self._watch_child(child))
        try:
            await self._read_child(child)
        except ValueError:
            log.error("engine_protocol_error", pid=child.pid)  # noqa: TRY400 - no text
            child.kill_process()
        watchdog.cancel()
        await child.close_and_wait(self._timeouts.shutdown)
        loaded = self._model_info is not None
        self._child = self._model_info = None
        lost = self._in_flight.fail_all("the engine's process ended")
        if not self._closing.is_set():
            log.warning("engine_ended", pid=child.pid, code=child.exit_code, lost=lost)
        return loaded

    async def _read_child(self, child: ChildProcess) -> None:
        """Handle messages until the child closes its stdout. Raises `ValueError` for a bad line."""
        if self._closing.is_set():
            return
        async for message in child.read_messages():
            self._handle_message(message)

    async def _watch_child(self, child: ChildProcess) -> None:
        """Kill a child that is busy and reports no step."""
        late_checks = 0
        while True:
            await asyncio.sleep(min(1.0, self._timeouts.step / 4))
            silent_seconds = time.monotonic() - self._last_message_at
            # Two checks: after a pause of this process the child's lines are still unread.
            late_checks = (
                late_checks + 1 if self._in_flight and silent_seconds > self._timeouts.step else 0
            )
            if late_checks > 1:
                log.error("engine_hangs", pid=child.pid, seconds=round(silent_seconds, 1))
                child.kill_process()
                return

    def _handle_message(self, message: dict[str, Any]) -> None:
        self._last_message_at = time.monotonic()
        if "loading" in message:
            self._update_health(stage=message["loading"], fraction=message["fraction"])
        elif "ready" in message:
            self._model_info = protocol.load_model_info(message["ready"])
            self._update_health(state=EngineState.READY, stage="", fraction=1.0)
        elif "load_error" in message:
            self._update_health(state=EngineState.FAILED, error=message["load_error"])
        else:
            self._in_flight.dispatch_message(message)

    def _send_message(self, message: dict[str, Any]) -> None:
        if self._child is not None:
            self._child.send_message(message)

    def _update_health(self, **fields: Any) -> None:
        self._health = replace(self._health, **fields)
        self._changed.set()
        self._changed = asyncio.Event()
        if self._on_change is not None:
            self._on_change(self._health)
