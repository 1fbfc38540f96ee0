"""Stands between the product and Slack: the proxy in front of Redis, on a port of this machine."""

import asyncio
from typing import Final

from chaos.cluster.redis_proxy import Proxy, Streams, Trouble

HOST: Final = "127.0.0.1"


class Wire(Proxy):
    """A port in front of another one. While it is `away`, the system refuses connections to it."""

    def __init__(self, target: int, seed: int = 0) -> None:
        """Serve at once, without trouble; `seed` is that of the dice."""
        self._reached = target
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self.port = 0
        super().__init__(None, seed)
        self.nameless = self._home / "nameless"
        """While this file is there, nobody finds out the address of Slack."""

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connect, HOST, self.port, limit=self.chunk)
        self.port = self._server.sockets[0].getsockname()[1]

    def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _reach(self) -> Streams:
        return await asyncio.open_connection(HOST, self._reached, limit=self.chunk)

    def _change(self, trouble: Trouble) -> None:
        super()._change(trouble)
        if trouble.away:
            self._deafen()
        elif self._server is None:
            self._opening = asyncio.ensure_future(self._listen())
