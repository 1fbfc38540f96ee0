"""File server: answers downloads as Slack does, or as an attacker would."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from aiohttp.test_utils import TestServer

from worker.files.downloads import MAX_FILE_BYTES

SIGN_IN_PAGE: Final = "<!DOCTYPE html><html><body><h1>Sign in</h1></body></html>"
FIRST_ERRORS: Final = {"busy": 429, "broken": 500}
"""Status of the first response only."""
CODE: Final = b"def answer():\r\n    return 42\n"


class FileServer:
    """A web server; `authorizations` holds the header of each request by its path."""

    def __init__(self) -> None:
        self.authorizations: dict[str, str | None] = {}
        self.num_requests = 0
        self.bytes_sent = 0
        self.other_url = ""
        self.is_asked = asyncio.Event()
        self.is_closing = asyncio.Event()
        application = web.Application()
        application.router.add_get("/{name:.*}", self._answer)
        self.server = TestServer(application)

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.server.port}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.authorizations[name] = request.headers.get("Authorization")
        self.num_requests += 1
        self.is_asked.set()
        kind = name.partition(".")[0]
        if kind in self._redirects:
            headers = {"Location": self._redirects[kind]}
            return web.Response(status=302, headers=headers if headers["Location"] else None)
        streams = {
            "endless": self._send_endlessly,
            "drip": self._send_slowly,
            "short": self._send_too_little,
        }
        if kind in streams:
            return await streams[kind](request)
        is_first = self.num_requests == 1
        if kind.isdigit() or (kind in FIRST_ERRORS and is_first):
            status = FIRST_ERRORS.get(kind) or int(kind)
            return web.Response(status=status, headers={"Retry-After": "1"})
        return self._respond(kind)

    @property
    def _redirects(self) -> dict[str, str]:
        userinfo = f"http://127.0.0.1@{self.other_url.removeprefix('http://')}/"
        return {
            "redirect": "/app.py",
            "foreign": f"{self.other_url}/app.py",
            "userinfo": userinfo,
            "loop": "/loop",
            "nowhere": "",
            "login": "/signin",
        }

    def _respond(self, kind: str) -> web.Response:
        if kind in {"signin", "page"}:
            return web.Response(text=SIGN_IN_PAGE, content_type="text/html")
        if kind == "gzip":
            bomb = gzip.compress(bytes(64 * MAX_FILE_BYTES))
            return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
        if kind == "picture":
            return web.Response(body=b"\x89PNG\r\n" + bytes(2 * MAX_FILE_BYTES))
        return web.Response(body=CODE, content_type="text/plain")

    async def _send_endlessly(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"one more line\n" * 1_000)
            self.bytes_sent += 14_000

    async def _send_slowly(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await self.is_closing.wait()
        return response

    async def _send_too_little(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"too little")
        assert request.transport is not None
        request.transport.close()
        return response


@asynccontextmanager
async def serve_files() -> AsyncIterator[FileServer]:
    """Serve files until the end of the context."""
    server = FileServer()
    await server.server.start_server()
    try:
        yield server
    finally:
        server.is_closing.set()
        await server.server.close()
