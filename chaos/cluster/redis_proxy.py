"""Stands between the product and its Redis, and makes the wire between them go wrong on demand."""

import asyncio
import random
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

CHUNK: Final = 256 * 1024
"""Bytes read at once: a request of ours is one chunk."""
PATIENCE: Final = 10.0
"""Seconds in which the proxy's own thread must begin and end."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    What happens to the bytes.

    `latency` holds back each reply by that many seconds. With probability `reset` a request breaks
    its connection instead of reaching the server; with probability `lose` the server acts on it
    and the connection breaks instead of bringing the reply. `stalled` lets nothing pass at all,
    `away` refuses new connections; those that are open stay.
    """

    latency: float = 0.0
    reset: float = 0.0
    lose: float = 0.0
    stalled: bool = False
    away: bool = False
    times: int = 1_000_000


CALM: Final = Trouble()
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """A unix socket in front of another one; `trouble` may be changed at any time."""

    chunk = CHUNK

    def __init__(self, target: Path | None, seed: int = 0) -> None:
        """Serve at once, without trouble; `seed` is that of the dice."""
        self._home = Path(tempfile.mkdtemp(prefix="proxy-"))
        self.socket = self._home / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._target = target
        self._dice = random.Random(seed)  # noqa: S311 - repeatable on purpose, not secret
        self._trouble = CALM
        self._struck = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._serves = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        assert self._serves.wait(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def trouble(self) -> Trouble:
        """What goes wrong now."""
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        self._call(lambda: self._change(trouble))

    def cut(self) -> None:
        """Break every connection that is open now."""
        self._call(self._abort)

    def close(self) -> None:
        """Break every connection and serve no more."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)
        shutil.rmtree(self._home, ignore_errors=True)

    def _call(self, change: Callable[[], None]) -> None:
        done = threading.Event()

        def act() -> None:
            change()
            done.set()

        self._loop.call_soon_threadsafe(act)
        assert done.wait(PATIENCE)

    def _change(self, trouble: Trouble) -> None:
        self._trouble, self._struck = trouble, 0
        if trouble.stalled:
            self._flows.clear()
        else:
            self._flows.set()

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._over, self._flows = asyncio.Event(), asyncio.Event()
        self._flows.set()
        await self._listen()
        self._serves.set()
        await self._over.wait()
        self._deafen()
        self._flows.set()
        self._abort()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_unix_server(
            self._connect, self.socket, limit=self.chunk
        )

    def _deafen(self) -> None:
        self._listener.close()

    async def _reach(self) -> Streams:
        assert self._target is not None
        return await asyncio.open_unix_connection(self._target, limit=self.chunk)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._trouble.away:
            writer.transport.abort()
            return
        try:
            answers, server = await self._reach()
        except OSError:
            writer.transport.abort()
            return
        line = _Line(self, writer, server)
        self._open |= {writer, server}
        try:
            await asyncio.gather(line.ask(reader), line.answer(answers))
        finally:
            self._open -= {writer, server}

    async def passes(self) -> None:
        """Wait as long as nothing passes."""
        await self._flows.wait()

    def strikes(self, probability: float) -> bool:
        """Throw the dice."""
        if self._struck >= self._trouble.times or self._dice.random() >= probability:
            return False
        self._struck += 1
        return True


class _Line:
    """One connection: a pair of sockets that end together."""

    def __init__(
        self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._deaf = False

    async def ask(self, requests: asyncio.StreamReader) -> None:
        """Bring what the client sends to the server."""
        while chunk := await self._next(requests):
            if self._proxy.strikes(self._proxy.trouble.reset):
                break
            self._deaf = self._deaf or self._proxy.strikes(self._proxy.trouble.lose)
            self._server.write(chunk)
        self._end()

    async def answer(self, replies: asyncio.StreamReader) -> None:
        """Bring what the server sends to the client."""
        while (chunk := await self._next(replies)) and not self._deaf:
            if self._proxy.trouble.latency:
                await asyncio.sleep(self._proxy.trouble.latency)
            self._client.write(chunk)
        self._end()

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        try:
            chunk = await reader.read(CHUNK)
        except OSError:
            return b""
        await self._proxy.passes()
        return chunk

    def _end(self) -> None:
        self._client.transport.abort()
        self._server.transport.abort()
