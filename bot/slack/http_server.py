"""
HTTP server on a fixed number of threads, with bounded bodies and timeouts.

It is built on the standard library: Slack waits 3 s for an acknowledgement, so a slow client must
not hold a thread, and a WSGI server would be one more dependency.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar, Final

import structlog

log = structlog.get_logger()

SERVER_THREADS: Final = 32
MAX_WAITING_CONNECTIONS: Final = 256
"""Connections that may wait for a thread; further ones are closed at once."""
CLIENT_TIMEOUT_SECONDS: Final = 5.0
"""Seconds without data after which a connection is closed."""
MAX_BODY_BYTES: Final = 1024 * 1024
"""Slack's largest requests have a few hundred thousand bytes."""


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
    """Server of `routes` by path, on its own thread."""

    def __init__(
        self, port: int, routes: Mapping[str, Route], *, host: str = "", name: str = "web"
    ) -> None:
        """Bind the port. Raises `OSError` if it is not free."""
        handler = type("Handler", (_Handler,), {"routes": dict(routes)})
        self._http = _PooledServer((host, port), handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.2}, name=name, daemon=True
        )

    @property
    def port(self) -> int:
        """Port that the server listens on."""
        return int(self._http.server_address[1])

    def start_thread(self) -> None:
        """Start to serve requests."""
        self._thread.start()

    def is_serving(self) -> bool:
        """Return whether the server thread runs."""
        return self._thread.is_alive()

    def close_server(self) -> None:
        """Refuse new connections, finish the requests in progress, and close the port."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()


class _PooledServer(HTTPServer):
    """HTTP server with a thread pool: one connection a thread."""

    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._executor = ThreadPoolExecutor(SERVER_THREADS, thread_name_prefix="http")
        self._free_places = threading.BoundedSemaphore(SERVER_THREADS + MAX_WAITING_CONNECTIONS)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # The standard library resolves the host's name here, which may take seconds.
        super(HTTPServer, self).server_bind()
        self.server_name, self.server_port = "starchat", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free_places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._executor.submit(self._serve_connection, request, client_address)

    def server_close(self) -> None:
        super().server_close()
        self._executor.shutdown(wait=True)

    def _serve_connection(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            log.info("connection lost")
        finally:
            self.shutdown_request(request)
            self._free_places.release()


class _Handler(BaseHTTPRequestHandler):
    """Handler of one request."""

    timeout = CLIENT_TIMEOUT_SECONDS
    protocol_version = "HTTP/1.0"
    server_version = "starchat"
    sys_version = ""
    routes: ClassVar[dict[str, Route]] = {}

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._write_response(self._dispatch_route(b""))

    def do_POST(self) -> None:
        """Answer a POST request: 411 without a length, 413 above `MAX_BODY_BYTES`."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 10):  # noqa: PLR2004
            return self._write_response(Response(411))
        if int(length) > MAX_BODY_BYTES:
            return self._write_response(Response(413))
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return self._write_response(Response(400))
        return self._write_response(self._dispatch_route(body))

    def log_message(self, *_: object) -> None:
        """Log nothing: the standard library would print addresses and paths."""

    def _dispatch_route(self, body: bytes) -> Response:
        route = self.routes.get(self.path.partition("?")[0])
        if route is None:
            return Response(404, b"not found\n")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            return route(Request(self.command, headers, body))
        except Exception:
            # Safety net of the server threads: Slack delivers a failed request again.
            log.exception("request failed")
            return Response(500)

    def _write_response(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)
