"""Slack proxy: the same faults as `redis_proxy`, on a TCP port in front of fakeslack."""

import asyncio
from typing import Final

from chaos.cluster.redis_proxy import NetworkFault, RedisProxy, Streams

HOST: Final = "127.0.0.1"


class SlackProxy(RedisProxy):
    """A TCP port in front of another one. While the fault refuses, the port is closed."""

    def __init__(self, upstream_port: int, seed: int = 0) -> None:
        """Accept connections at once, without a fault."""
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._listen_task: asyncio.Task[None] | None = None
        self.port = 0
        super().__init__(None, seed)
        self.resolver_failure_file = self._directory / "resolver-fails"
        """While this file exists, resolving Slack's name fails."""

    async def _start_listening(self) -> None:
        self._server = await asyncio.start_server(
            self._handle_connection, HOST, self.port, limit=self.chunk_bytes
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _open_upstream(self) -> Streams:
        return await asyncio.open_connection(HOST, self._upstream_port, limit=self.chunk_bytes)

    def _apply_fault(self, fault: NetworkFault) -> None:
        super()._apply_fault(fault)
        if fault.refused:
            self._stop_listening()
        elif self._server is None:
            self._listen_task = asyncio.ensure_future(self._start_listening())
