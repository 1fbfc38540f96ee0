"""Client of a remote engine: turns requests into streams of the server, and ends them there."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import structlog

from worker.engine import (
    EngineError,
    EngineEvent,
    EngineHealth,
    EngineLostError,
    EngineStats,
    Finished,
    FinishReason,
    ModelInfo,
    Request,
    RequestRefusedError,
)
from worker.engine.ready_wait import ReadyWait
from worker.engine.validation import validate_request
from worker.remote_engine.dialects import DIALECTS
from worker.remote_engine.dialects.base import DialectError, HttpPost, RemoteCall
from worker.remote_engine.request_stream import RequestStream, StreamLoad
from worker.remote_engine.server import (
    InferenceServer,
    ServerBusyError,
    ServerKeyError,
    ServerRefusedError,
    ServerUnreachableError,
)
from worker.remote_engine.server_watch import RemoteConfig, ServerWatch
from worker.remote_engine.tenants import TenantKeys

ABORT_SECONDS: Final = 5.0
"""Maximum seconds of a call that aborts a request."""

STREAM_ERRORS: Final = (
    ServerUnreachableError,
    ServerKeyError,
    ServerRefusedError,
    DialectError,
)

log = structlog.get_logger()


class RemoteEngine:
    """
    An `Engine` on an inference server.

    The server proves at the start, and in each request, that it reads the ids that it was sent. A
    server that goes away loses its requests (`EngineLostError`); new ones wait until it is back.
    """

    def __init__(
        self, config: RemoteConfig, *, on_change: Callable[[EngineHealth], None] | None = None
    ) -> None:
        self._dialect = DIALECTS[config.dialect]
        self._server = InferenceServer(config.url, config.key)
        self._tenants = TenantKeys(config.session_secret)
        self._watch = ServerWatch(config, self._server, self._build_call, on_change)
        self._watch.on_replaced = self._lose_waiting_streams
        self._streams: dict[str, RequestStream] = {}
        self._load = StreamLoad()
        self._ready_wait = ReadyWait()
        self._aborts: set[asyncio.Task[None]] = set()

    @property
    def health(self) -> EngineHealth:
        """Current state."""
        return self._watch.health

    def start_loading(self) -> None:
        """Start to look for the server without waiting for it."""
        self._watch.start()

    async def wait_ready(self) -> ModelInfo:
        """Wait until the server serves the model; see `ServerWatch.wait_for_model`."""
        return await self._watch.wait_for_model()

    async def generate(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """
        Continue a prompt; see `Engine.generate`. A busy server is asked again until the deadline.

        Raises `RequestRefusedError`, `LoadError` or `EngineLostError`, and `ValueError` if a
        request with the same id is running.
        """
        # Nothing suspends before the registration if the server is ready: a stop finds the request.
        model = self._watch.ready_model or await self._ready_wait.wait_for_model(
            request, self.wait_ready
        )
        if isinstance(model, Finished):
            yield model
            return
        reason = validate_request(request, model.max_positions, model.vocab_size)
        if reason is not None:
            raise RequestRefusedError(reason)
        if request.id in self._streams:
            raise ValueError(f"request {request.id} is running already")
        stream = RequestStream(self._build_call(request), self._dialect, self._load)
        self._streams[request.id] = stream
        try:
            async with aclosing(stream.run(self._server)) as events:
                async for event in events:
                    yield event
        except STREAM_ERRORS as error:
            raise await self._handle_loss(error) from error
        finally:
            del self._streams[request.id]
            self._abort_at_server(stream)

    def abort_request(self, request_id: str) -> None:
        """End a request; its iterator yields `Finished(STOPPED)`."""
        self._ready_wait.stop_request(request_id)
        stream = self._streams.get(request_id)
        if stream is not None:
            stream.end(FinishReason.STOPPED)

    def clear_scope(self, scope: str) -> None:
        """Make every cached prefix of this scope's team unreachable; an empty one: of all."""
        self._tenants.forget_scope(scope)

    def read_stats(self) -> EngineStats:
        """Return the load of this worker, not of the whole server."""
        return self._load.summarize_load(len(self._streams))

    async def shut_down(self) -> None:
        """End all streams; running requests fail with `EngineLostError`."""
        for stream in self._streams.values():
            stream.fail(EngineLostError("the engine is closed"))
        await self._watch.shut_down()
        await asyncio.gather(*self._aborts)
        await self._server.close_session()

    async def _handle_loss(self, error: Exception) -> EngineError:
        """Return a stream's error as the engine's; the watch looks at the server soon."""
        if isinstance(error, ServerRefusedError) and not await self._watch.serves_other_model():
            return RequestRefusedError(str(error))
        log.warning("remote_request_lost", reason=str(error))
        self._watch.note_loss(error)
        return EngineLostError(str(error))

    def _lose_waiting_streams(self) -> None:
        """Lose what a busy server turns away: it was made for the model that is gone."""
        for stream in self._streams.values():
            if not stream.has_begun:
                stream.fail(EngineLostError("the server serves another model, or another window"))

    def _build_call(self, request: Request) -> RemoteCall:
        return RemoteCall(
            request=request,
            name=f"starchat-{secrets.token_hex(8)}",
            model=self._watch.served_name,
            salt=self._tenants.read_salt(request.scope),
            session=self._tenants.name_session(request.scope),
        )

    def _abort_at_server(self, stream: RequestStream) -> None:
        """Tell a server that does not notice closed streams that a request is over."""
        call = None if stream.has_ended_at_server else self._dialect.build_abort(stream.call.name)
        if call is not None:
            task = asyncio.create_task(self._post_abort(call))
            self._aborts.add(task)
            task.add_done_callback(self._aborts.discard)

    async def _post_abort(self, call: HttpPost) -> None:
        with contextlib.suppress(
            ServerUnreachableError, ServerBusyError, ServerRefusedError, ServerKeyError
        ):
            await self._server.post(call, ABORT_SECONDS)
