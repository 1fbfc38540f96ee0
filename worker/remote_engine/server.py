"""HTTP connection to an inference server: JSON, streams, and one kind of error for each cause."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from worker.remote_engine.dialects.base import DialectError, HttpPost, Json
from worker.remote_engine.sse import SseParser

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 120.0
"""
Seconds without a byte after which a stream counts as lost, from its first event on.

Before it, a request may wait in the server's queue. Its deadline is the only bound.
"""
KEEPALIVE_OPTIONS: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 10),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
)
"""Level, name and value: a host that vanishes is noticed within a minute, in any queue."""
MAX_JSON_BYTES: Final = 4 * 1024 * 1024
DEFAULT_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 30.0
STREAM_END: Final = b"[DONE]"
"""Data of the last event of an OpenAI stream."""
BUSY_STATUSES: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
KEY_STATUSES: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Statuses of a request that can never run."""


class ServerUnreachableError(Exception):
    """The server does not answer, or a stream broke."""


class ServerStatusError(ServerUnreachableError):
    """The server answers one request with an unexpected status."""


class ServerSilentError(ServerUnreachableError):
    """A stream that had begun sends nothing for too long."""


class ServerBusyError(Exception):
    """The server takes no request now; `retry_seconds` is when to ask again."""

    def __init__(self, status: int, retry_seconds: float) -> None:
        super().__init__(f"the server is busy (status {status})")
        self.retry_seconds = retry_seconds


class ServerRefusedError(Exception):
    """The server refused a request as wrong."""


class ServerKeyError(Exception):
    """The server rejects the key."""


class InferenceServer:
    """
    Connection to the server at `url`. It follows no redirect, so the key stays with that address.

    Methods raise the errors above, and `DialectError` for a response that is not what it should be.
    """

    def __init__(self, url: str, key: str = "") -> None:
        """Connect to nothing yet; `key` may be empty."""
        self._url = url.rstrip("/")
        # Compressed bytes would be delayed on their way, and grow a thousandfold here.
        self._headers = {"Accept-Encoding": "identity"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._session: aiohttp.ClientSession | None = None

    async def fetch_json(self, path: str) -> Json:
        """Return the JSON object at a path."""
        try:
            async with self._connect().get(
                self._url + path,
                headers=self._headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=CONNECT_SECONDS),
            ) as response:
                _check_status(response)
                return _parse_json(await _read_body(response))
        except (aiohttp.ClientError, OSError) as error:
            raise ServerUnreachableError(type(error).__name__) from error

    async def post(self, call: HttpPost, timeout_seconds: float) -> None:
        """Send a POST and wait for its status alone."""
        try:
            async with self._open(call, aiohttp.ClientTimeout(total=timeout_seconds)) as response:
                _check_status(response)
        except (aiohttp.ClientError, OSError) as error:
            raise ServerUnreachableError(type(error).__name__) from error

    async def post_json(self, call: HttpPost, timeout_seconds: float) -> Json:
        """Send a POST and return the JSON object of its response."""
        try:
            async with self._open(call, aiohttp.ClientTimeout(total=timeout_seconds)) as response:
                _check_status(response)
                return _parse_json(await _read_body(response))
        except (aiohttp.ClientError, OSError) as error:
            raise ServerUnreachableError(type(error).__name__) from error

    @asynccontextmanager
    async def stream_events(self, call: HttpPost) -> AsyncIterator[AsyncIterator[Json]]:
        """Send a POST and give its events; leaving the context closes the stream."""
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS)
        try:
            async with self._open(call, timeout) as response:
                _check_status(response)
                try:
                    yield _iterate_events(response)
                finally:
                    # The connection is not reused: its end tells the server to stop.
                    response.close()
        except (aiohttp.ClientError, OSError) as error:
            raise ServerUnreachableError(type(error).__name__) from error

    async def close_session(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self, call: HttpPost, timeout: aiohttp.ClientTimeout) -> Any:
        return self._connect().post(
            self._url + call.path,
            json=call.body,
            headers={**self._headers, **call.headers},
            allow_redirects=False,
            timeout=timeout,
        )

    def _connect(self) -> aiohttp.ClientSession:
        if self._session is None:
            # The number of requests is bounded by the slots. No connection is used twice: the
            # server may close an idle one just when a request is sent, which is not repeated.
            connector = aiohttp.TCPConnector(
                limit=0, force_close=True, socket_factory=_create_socket
            )
            self._session = aiohttp.ClientSession(
                connector=connector, trust_env=False, auto_decompress=False
            )
        return self._session


def _create_socket(address: Any) -> socket.socket:
    """Return a socket for one of `getaddrinfo`'s results that notices a vanished host."""
    family, kind, protocol = address[:3]
    created = socket.socket(family, kind, protocol)
    for level, name, value in KEEPALIVE_OPTIONS:
        if hasattr(socket, name):  # macOS names one of them otherwise
            created.setsockopt(level, getattr(socket, name), value)
    return created


async def _iterate_events(response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    parser, chunks = SseParser(), response.content.iter_any()
    silence_seconds: float | None = None
    while True:
        try:
            async with asyncio.timeout(silence_seconds):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise ServerSilentError(f"the stream was silent for {SILENCE_SECONDS:g} s") from None
        if chunk is None:
            return
        try:
            events = parser.feed(chunk)
        except ValueError as error:
            raise DialectError(str(error)) from None
        for data in events:
            if data == STREAM_END:
                return
            silence_seconds = SILENCE_SECONDS
            yield _parse_json(data)


def _parse_json(data: bytes) -> Json:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise DialectError("the server sent something else than JSON") from None
    if not isinstance(value, dict):
        raise DialectError("the server sent something else than a JSON object")
    return value


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MAX_JSON_BYTES:
            raise DialectError(f"the server sent more than {MAX_JSON_BYTES} bytes")
    return bytes(data)


def _check_status(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == HTTPStatus.OK:
        return
    if status in BUSY_STATUSES:
        raise ServerBusyError(status, _read_retry_after(response.headers.get("Retry-After")))
    if status in KEY_STATUSES:
        raise ServerKeyError(f"the server rejects the key (status {status})")
    if status in REFUSALS:
        raise ServerRefusedError(f"the server refuses this request (status {status})")
    raise ServerStatusError(f"status {status}")


def _read_retry_after(value: str | None) -> float:
    """Return the seconds of a `Retry-After` header, bounded; a date counts as none."""
    if value is None or not value.strip().isascii() or not value.strip().isdecimal():
        return DEFAULT_RETRY_SECONDS
    return min(MAX_RETRY_SECONDS, max(DEFAULT_RETRY_SECONDS, float(value.strip()[:6])))
