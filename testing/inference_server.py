"""Inference server for tests: speaks the three dialects, counts what runs, and fails on request."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import Enum
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar

from aiohttp import web

Json = dict[str, Any]
Result = TypeVar("Result")
VOCAB_SIZE: Final = 64
STOP_ID: Final = 2
FIRST_ID: Final = 3
CONTEXT_TOKENS: Final = 512
MODEL_NAME: Final = "served"
FIRST_CHARACTER: Final = 0x4E00
"""Text of the id 0 at llama.cpp; that of each other id follows."""
FLOOD_BYTES: Final = 64 * 1024


class Fault(Enum):
    """What goes wrong with the next request."""

    CUT = "the stream ends after the first token"
    BUSY = "503, once"
    WRONG_PROMPT = "another prompt was read"
    GARBAGE = "an event is no JSON"
    REFUSED = "400"
    ERROR_EVENT = "an event tells of an error"
    SILENT = "no event comes"
    SLOW = "the stream comes byte by byte"
    FLOOD = "an event has no end"
    COMPRESSED = "the stream is compressed, which nobody asked for"
    NO_ENCODING = "503 to a text that is to be encoded"
    LATE_END = "the request goes on after its stream was closed, until the gate opens"


WRONG_EVENTS: Final[dict[Fault | None, bytes]] = {
    Fault.GARBAGE: b"data: <html>\n\n",
    Fault.ERROR_EVENT: b'data: {"error": {"message": "out of memory"}}\n\n',
}


def next_ids(prompt: Sequence[int], count: int) -> list[int]:
    """Return what this server's model says: ids that count up from the prompt's sum."""
    start = sum(prompt)
    return [FIRST_ID + (start + n) % (VOCAB_SIZE - FIRST_ID) for n in range(count)]


class FakeInferenceServer:
    """
    Server whose model counts up, and stops where `stops_after` ids were given out.

    With `reply`, it says these ids instead and stops.

    `gate` holds every stream after its first id while it is clear. `running` counts open streams,
    `most_running` is its maximum, `posts` are the bodies received and `aborted` the names of
    aborted requests. `peers` are the addresses from which each call came. `context_tokens` is the
    context window; a request that exceeds it is refused.
    """

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.posts: list[tuple[str, Json, dict[str, str]]] = []
        self.aborted: list[str] = []
        self.running = self.most_running = 0
        self.encodes_texts = True
        self.stops_after: int | None = None
        self.reply: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Condition()
        self.url = ""
        self.key = ""
        self.models = [MODEL_NAME]
        self.context_tokens = CONTEXT_TOKENS
        self.peers: list[tuple[str, int]] = []

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator["FakeInferenceServer"]:
        """Listen on a port until the context is left."""
        app = web.Application(middlewares=[self._check_key])
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/props", self._show_props)
        app.router.add_post("/v1/completions", self._answer(_vllm_event, "prompt", "max_tokens"))
        app.router.add_post("/generate", self._answer(_sglang_event, "input_ids", ""))
        app.router.add_post("/completion", self._answer(_llama_event, "prompt", "n_predict"))
        app.router.add_post("/abort_request", self._abort)
        app.router.add_post("/tokenize", self._encode_text)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def wait_running(self, count: int) -> None:
        """Wait until so many streams are open."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.running == count)

    async def wait_for_abort(self, name: str) -> None:
        """Wait until a request has been aborted by its name."""
        async with self.changed:
            await self.changed.wait_for(lambda: name in self.aborted)

    @web.middleware
    async def _check_key(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.transport is not None:
            self.peers.append(request.transport.get_extra_info("peername"))
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": "key"}, status=HTTPStatus.UNAUTHORIZED)
        return await handler(request)

    async def _list_models(self, _: web.Request) -> web.Response:
        entries = [{"id": name, "max_model_len": self.context_tokens} for name in self.models]
        return web.json_response({"data": entries})

    async def _show_props(self, _: web.Request) -> web.Response:
        return web.json_response({"default_generation_settings": {"n_ctx": self.context_tokens}})

    async def _abort(self, request: web.Request) -> web.Response:
        name = (await request.json())["rid"]
        async with self.changed:
            self.aborted.append(name)
            self.changed.notify_all()
        return web.json_response({})

    async def _encode_text(self, request: web.Request) -> web.Response:
        if not self.encodes_texts:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        text = (await request.json())["content"]
        return web.json_response({"tokens": [ord(sign) - FIRST_CHARACTER for sign in text]})

    def _answer(
        self, write_event: "WriteEvent", prompt_name: str, limit_name: str
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            self.posts.append((request.path, body, dict(request.headers)))
            fault = self.faults.popleft() if self.faults else None
            self.encodes_texts = fault is not Fault.NO_ENCODING
            if fault is Fault.BUSY:
                return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
            limit = body.get(limit_name) or body["sampling_params"]["max_new_tokens"]
            is_too_long = len(body[prompt_name]) + limit > self.context_tokens
            if is_too_long or fault is Fault.REFUSED:
                return web.Response(status=HTTPStatus.BAD_REQUEST)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            if fault is Fault.COMPRESSED:
                response.enable_compression(web.ContentCoding.gzip)
            await response.prepare(request)
            async with self._count_running():
                try:
                    await self._stream(response, write_event, body[prompt_name], limit, fault)
                except asyncio.CancelledError:
                    if fault is Fault.LATE_END:
                        await self.gate.wait()
                    raise
            return response

        return answer

    async def _stream(
        self,
        response: web.StreamResponse,
        write_event: "WriteEvent",
        prompt: list[int],
        limit: int,
        fault: Fault | None,
    ) -> None:
        if fault is Fault.SILENT:
            await asyncio.Event().wait()
        while fault is Fault.FLOOD:
            await response.write(b"x" * FLOOD_BYTES)
        if fault in WRONG_EVENTS:
            await response.write(WRONG_EVENTS[fault])
        read = [*prompt, 0] if fault is Fault.WRONG_PROMPT else prompt
        has_stop = self.stops_after is not None and self.stops_after < limit
        ids = self.reply or next_ids(prompt, limit)
        if has_stop:
            ids = [*ids[: self.stops_after], STOP_ID]
        for count in range(1, len(ids) + 1):
            is_stop = has_stop or bool(self.reply)
            ending = None if count < len(ids) else ("stop" if is_stop else "length")
            for event in write_event(read, ids[:count], ending):
                await _write_event(response, event, is_slow=fault is Fault.SLOW)
            if fault is Fault.CUT:
                return
            await self.gate.wait()
        await response.write(b"data: [DONE]\n\n")

    @asynccontextmanager
    async def _count_running(self) -> AsyncIterator[None]:
        await self._change_running(1)
        try:
            yield
        finally:
            await self._change_running(-1)

    async def _change_running(self, by: int) -> None:
        async with self.changed:
            self.running += by
            self.most_running = max(self.most_running, self.running)
            self.changed.notify_all()


class InferenceServerThread:
    """A `FakeInferenceServer` on a thread, for product processes; it can restart on its port."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server = self._run(self._make_server())
        self._port = 0
        self._context: AbstractAsyncContextManager[FakeInferenceServer] | None = None
        self.start_serving()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._context is not None:
            self.stop_serving()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start_serving(self) -> None:
        """Listen, on the same port as before."""
        self._context = self.server.serve(self._port)
        self._run(self._context.__aenter__())
        self._port = int(self.server.url.rpartition(":")[2])

    def stop_serving(self) -> None:
        """Close all connections."""
        assert self._context is not None
        self._run(self._context.__aexit__(None, None, None))
        self._context = None

    def hold_streams(self, *, is_held: bool) -> None:
        """Let every stream stop after its next id, or go on."""
        gate = self.server.gate
        self._loop.call_soon_threadsafe(gate.clear if is_held else gate.set)

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    @staticmethod
    async def _make_server() -> FakeInferenceServer:
        return FakeInferenceServer()


WriteEvent = Callable[[list[int], list[int], str | None], list[Json]]
"""Returns the events of a dialect for the ids so far."""


async def _write_event(response: web.StreamResponse, event: Json, *, is_slow: bool) -> None:
    data = b"data: " + json.dumps(event).encode() + b"\n\n"
    size = 1 if is_slow else len(data)
    for start in range(0, len(data), size):
        await response.write(data[start : start + size])


def _vllm_event(prompt: list[int], ids: list[int], ending: str | None) -> list[Json]:
    choice: Json = {"index": 0, "text": "", "token_ids": ids[-1:], "finish_reason": ending}
    if len(ids) == 1:
        choice["prompt_token_ids"] = prompt
    return [{"choices": [choice]}]


def _sglang_event(prompt: list[int], ids: list[int], ending: str | None) -> list[Json]:
    facts = {
        "prompt_tokens": len(prompt),
        "completion_tokens": len(ids),
        "finish_reason": None if ending is None else {"type": ending},
    }
    return [{"text": "", "output_ids": ids, "meta_info": facts}]


def _llama_event(prompt: list[int], ids: list[int], ending: str | None) -> list[Json]:
    """Return no event for every third token: its character ends in the next one."""
    count = len(ids)
    events: list[Json] = []
    if ending is not None or count % 3 != 2:
        text = "".join(chr(FIRST_CHARACTER + token) for token in ids[-2 + (count % 3 != 0) :])
        last_id = {"content": text.replace(chr(FIRST_CHARACTER + STOP_ID), ""), "tokens": ids[-1:]}
        events.append({**last_id, "stop": False, "tokens_predicted": count})
    if ending is not None:
        kind = "eos" if ending == "stop" else "limit"
        last = {"tokens": [], "stop": True, "stop_type": kind, "tokens_evaluated": len(prompt)}
        events.append(last)
    return events
