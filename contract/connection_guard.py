"""
Connection guard: an absolute deadline per connection, and bounds on connections and bytes.

asyncio and aiohttp limit the pauses of a client at most. A client that sends a byte every few
seconds would keep its connection without end.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

IPV6_NETWORK_BITS: Final = 64
"""An IPv6 client usually owns all addresses of such a network."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """
    Limits of one server.

    `seconds` bounds a connection from its start to its response, `connections` their number.
    `connection_bytes` bounds what one connection sends, `total_bytes` what all of them have sent.
    """

    seconds: float = 10.0
    connections: int = 256
    connection_bytes: int = 64 * 1024
    total_bytes: int = 4 * 1024 * 1024


class ConnectionGuard:
    """
    Keeps one server's connections within its limits. All methods run on the event loop.

    At a limit, a connection without a complete request is aborted: the oldest one of the client
    with the most connections, or the one that has sent most bytes. New clients are thus served
    beside a client that opens connections without end.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._connections: dict[asyncio.BaseTransport, _GuardedProtocol] = {}
        self._incomplete: dict[str, dict[_GuardedProtocol, None]] = {}
        self._total_bytes = 0

    def wrap_protocol(self, create_protocol: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        """
        Return a protocol that passes its events to a created one, within the limits.

        It is created at the first byte: a silent connection costs little.
        """
        return _GuardedProtocol(self, create_protocol)

    def mark_complete(self, transport: asyncio.BaseTransport | None) -> None:
        """Keep a connection, whose request is complete, until its deadline."""
        if transport is not None and (connection := self._connections.get(transport)):
            self._drop_incomplete(connection)

    def abort_incomplete(self) -> None:
        """Abort every connection without a complete request."""
        for connection in list(self._incomplete_connections()):
            connection.abort()

    def admit(self, connection: "_GuardedProtocol", transport: asyncio.Transport) -> None:
        """Count a new connection. It is aborted itself if all others have complete requests."""
        self._connections[transport] = connection
        self._incomplete.setdefault(connection.client, {})[connection] = None
        if len(self._connections) > self.limits.connections:
            oldest_first = max(self._incomplete.values(), key=len)
            next(iter(oldest_first)).abort()

    def remove(self, transport: asyncio.BaseTransport) -> None:
        """Count a connection no longer."""
        if connection := self._connections.pop(transport, None):
            self._total_bytes -= connection.received_bytes
            self._drop_incomplete(connection)

    def count_bytes(self, connection: "_GuardedProtocol", count: int) -> None:
        """Count received bytes, and abort what exceeds the limits."""
        connection.received_bytes += count
        self._total_bytes += count
        if connection.received_bytes > self.limits.connection_bytes:
            connection.abort()
        while self._total_bytes > self.limits.total_bytes:
            incomplete = self._incomplete_connections()
            largest = max(incomplete, key=lambda c: c.received_bytes, default=None)
            if largest is None:
                return
            largest.abort()

    def _incomplete_connections(self) -> Iterable["_GuardedProtocol"]:
        return (c for connections in self._incomplete.values() for c in connections)

    def _drop_incomplete(self, connection: "_GuardedProtocol") -> None:
        connections = self._incomplete.get(connection.client, {})
        connections.pop(connection, None)
        if not connections:
            self._incomplete.pop(connection.client, None)


class _GuardedProtocol(asyncio.Protocol):
    """Protocol of one connection, before the server's own protocol."""

    def __init__(
        self, guard: ConnectionGuard, create_protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._guard = guard
        self._create_protocol = create_protocol
        self._protocol: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.client = ""
        self.received_bytes = 0

    def abort(self) -> None:
        """Close the connection at once; unsent bytes are dropped."""
        if self._transport is not None:
            self._guard.remove(self._transport)
            self._transport.abort()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream transport is needed")
        self._transport = transport
        self.client = _find_client(transport.get_extra_info("peername"))
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._guard.limits.seconds, self.abort)
        self._guard.admit(self, transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._guard.count_bytes(self, len(data))
        if self._transport is None:
            return
        if self._protocol is None:
            self._protocol = self._create_protocol()
            self._protocol.connection_made(self._transport)
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._protocol is None else self._protocol.eof_received()

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._guard.remove(self._transport)
            self._transport = None
        if self._deadline is not None:
            self._deadline.cancel()
        if self._protocol is not None:
            self._protocol.connection_lost(exc)


def _find_client(peer: object) -> str:
    """Return the client of an address: an IPv4 address, or the network of an IPv6 address."""
    if not isinstance(peer, tuple):
        return ""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False))
