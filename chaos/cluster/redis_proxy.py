"""Redis proxy: a unix socket in front of Redis' that injects network faults on demand."""

import asyncio
import random
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

CHUNK_BYTES: Final = 256 * 1024
"""Maximum size of a read. A request of the product fits into one chunk."""
THREAD_TIMEOUT_SECONDS: Final = 10.0
"""Maximum time in which the proxy's thread starts, applies a change, or ends."""


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """Fault that a proxy injects into its connections."""

    latency_seconds: float = 0.0
    """Delay of each reply."""
    reset_probability: float = 0.0
    """Share of requests that break their connection before they reach the server."""
    lost_reply_probability: float = 0.0
    """Share of requests that the server handles, but whose connection breaks before the reply."""
    stalled: bool = False
    """Whether no byte passes in either direction."""
    refused: bool = False
    """Whether new connections are refused. Open ones stay."""
    max_hits: int = 1_000_000
    """Maximum number of resets and lost replies."""


NO_FAULT: Final = NetworkFault()
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RedisProxy:
    """A unix socket in front of another one. Its `fault` may be set at any time."""

    chunk_bytes = CHUNK_BYTES

    def __init__(self, upstream: Path | None, seed: int = 0) -> None:
        """Accept connections at once, without a fault."""
        self._directory = Path(tempfile.mkdtemp(prefix="proxy-"))
        self.socket = self._directory / "redis.sock"
        self.url = f"unix://{quote(str(self.socket))}"
        self._upstream = upstream
        self._rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._fault = NO_FAULT
        self._hits = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._serving = threading.Event()
        self._thread = threading.Thread(target=self._run_loop, name="proxy", daemon=True)
        self._thread.start()
        assert self._serving.wait(THREAD_TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shut_down()

    @property
    def fault(self) -> NetworkFault:
        """The fault that is injected now."""
        return self._fault

    @fault.setter
    def fault(self, fault: NetworkFault) -> None:
        self._call_in_loop(lambda: self._apply_fault(fault))

    def cut_connections(self) -> None:
        """Abort every open connection."""
        self._call_in_loop(self._abort_connections)

    def shut_down(self) -> None:
        """Abort every connection and stop."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(THREAD_TIMEOUT_SECONDS)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _call_in_loop(self, change: Callable[[], None]) -> None:
        done = threading.Event()

        def apply_change() -> None:
            change()
            done.set()

        self._loop.call_soon_threadsafe(apply_change)
        assert done.wait(THREAD_TIMEOUT_SECONDS)

    def _apply_fault(self, fault: NetworkFault) -> None:
        self._fault, self._hits = fault, 0
        if fault.stalled:
            self._flowing.clear()
        else:
            self._flowing.set()

    def _abort_connections(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _run_loop(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve_connections())

    async def _serve_connections(self) -> None:
        self._stopped, self._flowing = asyncio.Event(), asyncio.Event()
        self._flowing.set()
        await self._start_listening()
        self._serving.set()
        await self._stopped.wait()
        self._stop_listening()
        self._flowing.set()
        self._abort_connections()

    async def _start_listening(self) -> None:
        self._listener = await asyncio.start_unix_server(
            self._handle_connection, self.socket, limit=self.chunk_bytes
        )

    def _stop_listening(self) -> None:
        self._listener.close()

    async def _open_upstream(self) -> Streams:
        assert self._upstream is not None
        return await asyncio.open_unix_connection(self._upstream, limit=self.chunk_bytes)

    async def _handle_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._fault.refused:
            writer.transport.abort()
            return
        try:
            answers, server = await self._open_upstream()
        except OSError:
            writer.transport.abort()
            return
        connection = _ProxiedConnection(self, writer, server)
        self._writers |= {writer, server}
        try:
            await asyncio.gather(
                connection.forward_requests(reader), connection.forward_replies(answers)
            )
        finally:
            self._writers -= {writer, server}

    async def wait_until_flowing(self) -> None:
        """Wait until no stall holds the bytes back."""
        await self._flowing.wait()

    def draw_fault(self, probability: float) -> bool:
        """Return whether a fault of this probability hits now."""
        if self._hits >= self._fault.max_hits or self._rng.random() >= probability:
            return False
        self._hits += 1
        return True


class _ProxiedConnection:
    """One proxied connection: a pair of sockets that are closed together."""

    def __init__(
        self, proxy: RedisProxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._drops_replies = False

    async def forward_requests(self, requests: asyncio.StreamReader) -> None:
        """Forward the client's bytes to the server."""
        while chunk := await self._read_chunk(requests):
            if self._proxy.draw_fault(self._proxy.fault.reset_probability):
                break
            self._drops_replies = self._drops_replies or self._proxy.draw_fault(
                self._proxy.fault.lost_reply_probability
            )
            self._server.write(chunk)
        self._abort_both()

    async def forward_replies(self, replies: asyncio.StreamReader) -> None:
        """Forward the server's bytes to the client."""
        while (chunk := await self._read_chunk(replies)) and not self._drops_replies:
            if self._proxy.fault.latency_seconds:
                await asyncio.sleep(self._proxy.fault.latency_seconds)
            self._client.write(chunk)
        self._abort_both()

    async def _read_chunk(self, reader: asyncio.StreamReader) -> bytes:
        try:
            chunk = await reader.read(CHUNK_BYTES)
        except OSError:
            return b""
        await self._proxy.wait_until_flowing()
        return chunk

    def _abort_both(self) -> None:
        self._client.transport.abort()
        self._server.transport.abort()
