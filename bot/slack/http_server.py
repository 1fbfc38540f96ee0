"""
HTTP server: aiohttp behind a connection guard, with a thread pool for each path.

Slow and hostile clients hold neither threads nor the event loop. A path whose threads are all busy
delays no other path.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import web

from contract.connection_guard import ConnectionGuard, ConnectionLimits
from contract.listening_socket import open_listening_socket
from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

MAX_BODY_BYTES: Final = 1024 * 1024
"""Slack's largest requests have a few hundred thousand bytes."""
LIMITS: Final = ConnectionLimits(
    connection_bytes=MAX_BODY_BYTES + 64 * 1024, total_bytes=32 * 1024 * 1024
)
"""Slack waits 3 s for an acknowledgement, so 10 s for a connection cut no request of Slack."""
MAX_REQUESTS_PER_THREAD: Final = 8
"""Requests of a path, running and waiting, for each of its threads; further ones get 503."""
LISTEN_BACKLOG: Final = 1024
DEFAULT_HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8", "Server": "starchat"}


@dataclass(frozen=True, slots=True)
class Request:
    """HTTP request; header names are in lower case."""

    method: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """HTTP response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[Request], Response]


class HttpServer:
    """Server of `routes` by path, with its event loop on its own thread."""

    def __init__(
        self,
        port: int,
        routes: Mapping[str, Route],
        *,
        host: str = "",
        name: str = "web",
        threads_per_route: int = 2,
    ) -> None:
        """Bind the port, on all addresses without a `host`. Raises `OSError` if it is not free."""
        self._socket = open_listening_socket(host, port)
        self._pools = {
            path: _RoutePool(route, threads_per_route, f"{name}{path}")
            for path, route in routes.items()
        }
        self._guard = ConnectionGuard(LIMITS)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._grace_seconds = 0.0
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run_loop, name=name, daemon=True)

    @property
    def port(self) -> int:
        """Port that the server listens on."""
        return int(self._socket.getsockname()[1])

    def start_thread(self) -> None:
        """Start to serve requests."""
        self._thread.start()
        self._started.wait()

    def is_serving(self) -> bool:
        """Return whether the server thread runs."""
        return self._thread.is_alive()

    def close_server(self, grace_seconds: float = 5.0) -> None:
        """Refuse new connections, finish the requests in progress, and close the port."""
        if self._loop is not None and self._thread.is_alive():
            self._grace_seconds = grace_seconds
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._socket.close()
        for pool in self._pools.values():
            pool.shut_down()

    def _run_loop(self) -> None:
        try:
            asyncio.run(self._serve_connections())
        finally:
            self._started.set()

    async def _serve_connections(self) -> None:
        # aiohttp logs what it cannot parse as an error: one line for each hostile request.
        logger = logging.getLogger("aiohttp.server.starchat")
        logger.setLevel(logging.CRITICAL)
        server = web.Server(
            self._handle_request, access_log=None, logger=logger, auto_decompress=False
        )
        self._loop = loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: self._guard.wrap_protocol(server), sock=self._socket, backlog=LISTEN_BACKLOG
        )
        self._started.set()
        await self._stop.wait()
        listener.close()
        self._guard.abort_incomplete()
        await server.shutdown(self._grace_seconds)

    async def _handle_request(self, request: web.BaseRequest) -> web.Response:
        found = await self._dispatch_request(request)
        response = web.Response(status=found.status, body=found.body, headers=DEFAULT_HEADERS)
        # A route may spell a name in another case: it still replaces the default.
        response.headers.update(found.headers)
        response.force_close()
        return response

    async def _dispatch_request(self, request: web.BaseRequest) -> Response:
        """Run a route: 405 for other methods, 411 without a length, 413 for a long body."""
        pool = self._pools.get(request.path)
        if pool is None:
            return Response(404, b"not found\n")
        if request.method not in {"GET", "POST"}:
            return Response(405, headers={"Allow": "GET, POST"})
        body = b""
        if request.method == "POST":
            if request.content_length is None:
                return Response(411)
            if request.content_length > MAX_BODY_BYTES:
                return Response(413)
            body = await request.read()
        self._guard.mark_complete(request.transport)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return await pool.run_route(Request(request.method, headers, body))


class _RoutePool:
    """Threads of one path. `run_route` runs on the event loop."""

    def __init__(self, route: Route, threads: int, name: str) -> None:
        self._route = route
        self._executor = eager_thread_pool(threads, name)
        self._max_running = threads * MAX_REQUESTS_PER_THREAD
        self._running = 0

    async def run_route(self, request: Request) -> Response:
        """Run the route on a thread: 503 if too many requests wait, 500 if the route raises."""
        if self._running >= self._max_running:
            return Response(503, b"busy\n")
        self._running += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, self._route, request)
        except Exception:
            # Safety net of the server threads: Slack delivers a failed request again.
            log.exception("request failed")
            return Response(500)
        finally:
            self._running -= 1

    def shut_down(self) -> None:
        """End the threads after their requests."""
        self._executor.shutdown(wait=False, cancel_futures=True)
