"""HTTP proxy: forwards requests, tunnels `CONNECT`, and records what it was asked for."""

import contextlib
import http.client
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

BUFFER_BYTES = 65_536
TIMEOUT_SECONDS = 10


class HttpProxy:
    """A proxy on a free port; `targets` are the paths and the `CONNECT` addresses, in order."""

    def __init__(self, refused_path: str = "none") -> None:
        """Serve on a thread until the context ends; refuse requests of `refused_path`."""
        self._refused_path = refused_path
        self.targets: list[str] = []
        self.credentials: set[str | None] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                proxy._record(self, self.path)
                host, _, port = self.path.rpartition(":")
                try:
                    server = socket.create_connection((host, int(port)), TIMEOUT_SECONDS)
                except OSError:
                    self.send_error(502)
                    return
                self.send_response(200)
                self.end_headers()
                with server, contextlib.suppress(OSError):
                    _tunnel(self.connection, server)

            def forward(self) -> None:
                parts = urlsplit(self.path)
                proxy._record(self, parts.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if parts.path.startswith(proxy._refused_path):
                    self.send_error(403)
                    return
                server = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
                with contextlib.closing(server):
                    target = parts._replace(scheme="", netloc="").geturl()
                    headers = {k: v for k, v in self.headers.items() if k != "Proxy-Authorization"}
                    server.request(self.command, target, body, headers)
                    answer = server.getresponse()
                    content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"transfer-encoding", "content-length"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = forward  # noqa: N815 - names of the base class

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Write nothing."""

        return Handler

    def _record(self, handler: BaseHTTPRequestHandler, target: str) -> None:
        self.targets.append(target)
        self.credentials.add(handler.headers.get("Proxy-Authorization"))


def _tunnel(client: socket.socket, server: socket.socket) -> None:
    """Copy bytes both ways until one side ends."""
    peers = {client: server, server: client}
    while True:
        readable, _, _ = select.select(list(peers), [], [])
        for end in readable:
            data = end.recv(BUFFER_BYTES)
            if not data:
                return
            peers[end].sendall(data)
