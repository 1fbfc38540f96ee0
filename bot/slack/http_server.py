"""A small HTTP server on the standard library: few threads, short patience, bounded bodies."""

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
"""Connections that may wait for a thread; more are closed at once."""
CLIENT_TIMEOUT_SECONDS: Final = 5.0
"""Seconds that a client may be silent."""
MAX_BODY_BYTES: Final = 1024 * 1024
"""Bytes; Slack's largest requests have a few hundred thousand."""


@dataclass(frozen=True, slots=True)
class Request:
    """What came in. Names of headers are in small letters."""

    method: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What goes out."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[Request], Response]


class HttpServer:
    """Serves `routes` by path until `close`."""

    def __init__(
        self, port: int, routes: Mapping[str, Route], *, host: str = "", name: str = "web"
    ) -> None:
        """Bind the port. Raises `OSError` if it cannot be had."""
        handler = type("Handler", (_Handler,), {"routes": dict(routes)})
        self._http = _PooledServer((host, port), handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.2}, name=name, daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._http.server_address[1])

    def start_thread(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def is_serving(self) -> bool:
        """Say whether it still answers."""
        return self._thread.is_alive()

    def close_server(self) -> None:
        """Take no more connections, finish the requests that are being answered, and end."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()


class _PooledServer(HTTPServer):
    """Answers each connection on one of a fixed number of threads."""

    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._executor = ThreadPoolExecutor(SERVER_THREADS, thread_name_prefix="http")
        self._free_places = threading.BoundedSemaphore(SERVER_THREADS + MAX_WAITING_CONNECTIONS)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # The standard library would look the host's name up here, which may take seconds.
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
    """Reads one request and answers it."""

    timeout = CLIENT_TIMEOUT_SECONDS
    protocol_version = "HTTP/1.0"
    server_version = "starchat"
    sys_version = ""
    routes: ClassVar[dict[str, Route]] = {}

    def do_GET(self) -> None:
        """Answer a request without a body."""
        self._write_response(self._dispatch_route(b""))

    def do_POST(self) -> None:
        """Answer a request with a body of at most `MOST_BODY` bytes."""
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
        """Say nothing: the standard library would print addresses and paths."""

    def _dispatch_route(self, body: bytes) -> Response:
        route = self.routes.get(self.path.partition("?")[0])
        if route is None:
            return Response(404, b"not found\n")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            return route(Request(self.command, headers, body))
        except Exception:
            # The other net of this process: a request that fails is answered, and asked again.
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
