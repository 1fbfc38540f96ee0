"""Stream of one request: the events of a server become `Tokens` and one `Finished`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Final

from worker.aio import cancel_and_wait
from worker.engine import (
    EngineEvent,
    EngineStats,
    Finished,
    FinishReason,
    Request,
    Tokens,
)
from worker.engine.token_rate import TokenRate
from worker.remote_engine.dialects.base import (
    Dialect,
    DialectError,
    Piece,
    RemoteCall,
    WrongPromptError,
    read_ids,
)
from worker.remote_engine.server import (
    InferenceServer,
    ServerBusyError,
    ServerRefusedError,
    ServerUnreachableError,
)

ENCODING_SECONDS: Final = 5.0
"""Maximum seconds of a call that encodes a text."""

CallBuilder = Callable[[Request], RemoteCall]


class StreamLoad:
    """Load of all streams of one engine."""

    def __init__(self) -> None:
        self.busy = 0
        """Streams that the server works on."""
        self.waiting = 0
        """Streams that a busy server has turned away for now."""
        self._steps = 0
        self._token_rate = TokenRate()

    def add_tokens(self, count: int) -> None:
        """Count the tokens of one event."""
        self._steps += 1
        self._token_rate.add_tokens(count)

    def summarize_load(self, running: int) -> EngineStats:
        """Return the load, with `running` open streams."""
        rate = self._token_rate.average_window()
        return EngineStats(running - self.waiting, self.waiting, self._steps, rate)


class RequestStream:
    """
    One request at a server, from its first attempt to its last event.

    A task reads the server; `end` and `fail` end the stream without waiting for it.
    """

    def __init__(self, call: RemoteCall, dialect: Dialect, load: StreamLoad) -> None:
        self.call = call
        self.has_begun = False
        """Whether the server has sent an event."""
        self.has_ended_at_server = False
        """Whether the server itself has finished the request."""
        self.is_prompt_proved = False
        """Whether the server has said that it read the prompt's ids."""
        self._dialect = dialect
        self._load = load
        self._events: asyncio.Queue[EngineEvent | Exception] = asyncio.Queue()
        self._new_tokens = 0
        self._server_tokens = 0
        self._gpu_seconds = 0.0
        self._last_event_at = time.monotonic()

    async def run(self, server: InferenceServer) -> AsyncGenerator[EngineEvent]:
        """
        Yield zero or more `Tokens`, then one `Finished`.

        Raises `DialectError`, `ServerUnreachableError`, `ServerRefusedError` or `ServerKeyError`.
        """
        deadline, loop = self.call.request.deadline, asyncio.get_running_loop()
        alarm = None if deadline is None else loop.call_at(deadline, self.end, FinishReason.TIMEOUT)
        reader = asyncio.create_task(self._read_server(server))
        try:
            while True:
                event = await self._events.get()
                if isinstance(event, Exception):
                    raise event
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            if alarm is not None:
                alarm.cancel()
            await cancel_and_wait({reader})

    def end(self, reason: FinishReason) -> None:
        """End the stream with the tokens so far."""
        self._events.put_nowait(self._finish(reason))

    def fail(self, error: Exception) -> None:
        """End the stream with an error."""
        self._events.put_nowait(error)

    async def _read_server(self, server: InferenceServer) -> None:
        try:
            while not await self._try_server(server):
                pass
        except Exception as error:  # noqa: BLE001 - the caller gets it
            self.fail(error)

    async def _try_server(self, server: InferenceServer) -> bool:
        """Read a stream to its end. False if the server was too busy to begin."""
        try:
            await self._read_stream(server)
        except ServerBusyError as busy:
            self._load.waiting += 1
            try:
                await asyncio.sleep(busy.retry_seconds)
            finally:
                self._load.waiting -= 1
            return False
        return True

    async def _read_stream(self, server: InferenceServer) -> None:
        post = self._dialect.build_call(self.call)
        async with server.stream_events(post) as events, self._count_busy():
            async for event in events:
                piece = self._dialect.read_piece(event)
                if self._take_piece(await self._restore_ids(server, piece)):
                    return
        raise ServerUnreachableError("the stream ended before the reply")

    async def _restore_ids(self, server: InferenceServer, piece: Piece) -> Piece:
        """Let the server encode the text of an event if it left out ids."""
        text, known = piece.text, self._server_tokens + len(piece.ids)
        self._server_tokens = known if text is None else text.total
        if text is None or text.total == known:
            return piece
        try:
            encoded = await server.post_json(text.call, ENCODING_SECONDS)
        except (ServerBusyError, ServerRefusedError) as error:
            # Part of the reply has been passed on: this stream can't begin again.
            raise ServerUnreachableError(str(error)) from error
        return replace(piece, ids=read_ids(encoded.get("tokens")))

    @contextlib.asynccontextmanager
    async def _count_busy(self) -> AsyncGenerator[None]:
        self._load.busy += 1
        self._last_event_at = time.monotonic()
        try:
            yield
        finally:
            self._load.busy -= 1

    def _take_piece(self, piece: Piece) -> bool:
        """Pass an event on. Returns whether the request is over."""
        self.has_begun = True
        self._prove_prompt(piece)
        self._add_time()
        ids, reason = self._select_new_ids(piece), piece.reason
        self.has_ended_at_server = reason is not None
        for place, token in enumerate(ids):
            if token in self.call.request.stop_ids:
                ids, reason = ids[:place], FinishReason.STOP
                break
        room = self.call.request.sampling.max_new_tokens - self._new_tokens
        if len(ids) > room:
            ids, reason = ids[:room], FinishReason.LENGTH
        if (ids or reason) and not self.is_prompt_proved and self._needs_proof():
            raise WrongPromptError("the server does not say which prompt it read")
        if ids:
            self._new_tokens += len(ids)
            self._load.add_tokens(len(ids))
            self._events.put_nowait(Tokens(ids, self._gpu_seconds))
        if reason is None:
            return False
        self.end(reason)
        return True

    def _needs_proof(self) -> bool:
        return self._dialect.proves_prompt_first or self.has_ended_at_server

    def _select_new_ids(self, piece: Piece) -> tuple[int, ...]:
        if piece.total is None:
            return piece.ids
        num_new = piece.total - self._new_tokens
        if not 0 <= num_new <= len(piece.ids):
            raise DialectError("the server left out tokens")
        return piece.ids[len(piece.ids) - num_new :]

    def _prove_prompt(self, piece: Piece) -> None:
        """Raise `WrongPromptError` if the server read another prompt."""
        prompt = self.call.request.prompt
        if piece.prompt_ids is not None and piece.prompt_ids != prompt:
            raise WrongPromptError("the server read other token ids than it was sent")
        if piece.prompt_tokens is not None and piece.prompt_tokens != len(prompt):
            raise WrongPromptError("the server read another number of tokens than it was sent")
        if piece.prompt_ids is not None or piece.prompt_tokens is not None:
            self.is_prompt_proved = True

    def _add_time(self) -> None:
        """Count this request's share of the time since its last event, as GPU time."""
        now = time.monotonic()
        self._gpu_seconds += (now - self._last_event_at) / max(1, self._load.busy)
        self._last_event_at = now

    def _finish(self, reason: FinishReason) -> Finished:
        return Finished(reason, len(self.call.request.prompt), self._new_tokens, self._gpu_seconds)
