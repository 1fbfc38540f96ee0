"""Connection guard: slow, many and large clients, on real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from contract.connection_guard import ConnectionGuard, ConnectionLimits, _find_client

LIMITS = ConnectionLimits(seconds=60.0, connections=4, connection_bytes=100, total_bytes=250)

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class EchoServer(asyncio.Protocol):
    """Sends back what it receives; a `!` completes a request."""

    def __init__(self, guard: ConnectionGuard) -> None:
        self.guard = guard

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Send the bytes back."""
        if b"!" in data:
            self.guard.mark_complete(self.transport)
        self.transport.write(data)


class GuardedServer:
    """An echo server behind a guard, and its clients."""

    def __init__(self, guard: ConnectionGuard, port: int) -> None:
        self.guard = guard
        self.port = port
        self.clients: list[asyncio.StreamWriter] = []

    async def connect(self, address: str = "127.0.0.1", sent: bytes = b"a") -> Client:
        """Connect from a loopback address, and wait until the first bytes are back."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(address, 0)
        )
        self.clients.append(writer)
        writer.write(sent)
        await reader.readexactly(len(sent))
        return reader, writer


@asynccontextmanager
async def run_server(limits: ConnectionLimits) -> AsyncIterator[GuardedServer]:
    """Run an echo server."""
    guard = ConnectionGuard(limits)
    listener = await asyncio.get_running_loop().create_server(
        lambda: guard.wrap_protocol(lambda: EchoServer(guard)), "127.0.0.1", 0
    )
    server = GuardedServer(guard, listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        for client in server.clients:
            client.close()
        listener.close()


async def wait_until_closed(reader: asyncio.StreamReader) -> None:
    """Wait until the server has aborted the connection."""
    with suppress(ConnectionResetError):
        while await reader.read(1000):
            pass


async def is_open(client: Client) -> bool:
    """Return whether the server still answers."""
    reader, writer = client
    writer.write(b"b")
    received = b"a"
    while received and not received.endswith(b"b"):
        received = await reader.read(1000)
    return bool(received)


async def test_client_that_sends_byte_by_byte_is_cut_at_the_deadline() -> None:
    """Each byte is in time; the connection still ends."""
    async with run_server(replace(LIMITS, seconds=0.2, connection_bytes=10**9)) as server:
        reader, writer = await server.connect()
        closed = asyncio.create_task(wait_until_closed(reader))
        while not closed.done():
            writer.write(b"a")
            await asyncio.sleep(0.01)

        await closed


async def test_oldest_connection_of_the_largest_client_makes_room() -> None:
    """A client that opens connections without end loses its own ones, oldest first."""
    async with run_server(LIMITS) as server:
        other = await server.connect("127.0.0.2")
        flood = [await server.connect() for _ in range(3)]

        another = await server.connect("127.0.0.3")

        await wait_until_closed(flood[0][0])
        for client in (other, another, *flood[1:]):
            assert await is_open(client)


async def test_complete_requests_are_never_aborted() -> None:
    """If every request is complete, the new connection is closed."""
    async with run_server(LIMITS) as server:
        complete = [await server.connect(sent=b"!") for _ in range(4)]

        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await server.connect()

        for client in complete:
            assert await is_open(client)


async def test_connection_with_too_many_bytes_is_aborted() -> None:
    """Others are not affected."""
    async with run_server(LIMITS) as server:
        small = await server.connect()
        reader, writer = await server.connect()
        writer.write(b"a" * 100)

        await wait_until_closed(reader)
        assert await is_open(small)


async def test_total_bytes_are_bounded_by_closing_the_largest() -> None:
    """Three connections of 90 bytes exceed 250 bytes; a complete request is kept."""
    async with run_server(LIMITS) as server:
        complete = await server.connect(sent=b"!" * 90)
        larger = await server.connect(sent=b"a" * 85)
        small = await server.connect(sent=b"a" * 70)
        small[1].write(b"a" * 10)

        await wait_until_closed(larger[0])
        assert await is_open(complete)
        assert await is_open(small)
        await server.connect(sent=b"a" * 70)


async def test_incomplete_connections_end_at_shutdown() -> None:
    """Requests in progress stay."""
    async with run_server(LIMITS) as server:
        complete, incomplete = await server.connect(sent=b"!"), await server.connect()

        server.guard.abort_incomplete()

        await wait_until_closed(incomplete[0])
        assert await is_open(complete)


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (("192.0.2.1", 5000), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5000, 0, 0), "192.0.2.1"),
        (("2001:db8::1", 5000, 0, 0), "2001:db8::/64"),
        (("2001:db8:0:0:ffff::1", 5000, 0, 0), "2001:db8::/64"),
        (("fe80::1%eth0", 5000, 0, 2), "fe80::/64"),
        ("", ""),
        (None, ""),
    ],
)
def test_ipv6_network_counts_as_one_client(peer: object, client: str) -> None:
    """One machine usually owns all addresses of a /64 network."""
    assert _find_client(peer) == client


class RecordingTransport(asyncio.Transport):
    """A transport without a network, which records whether it was aborted."""

    def __init__(self, peer: object = ("127.0.0.1", 1)) -> None:
        super().__init__({"peername": peer})
        self.is_aborted = False

    def abort(self) -> None:
        """Record it."""
        self.is_aborted = True


class WritePauses(asyncio.Protocol):
    """Records how often writing was paused and resumed."""

    def __init__(self) -> None:
        self.changes: list[str] = []

    def pause_writing(self) -> None:
        """Record a full write buffer."""
        self.changes.append("pause")

    def resume_writing(self) -> None:
        """Record an empty write buffer."""
        self.changes.append("resume")


async def test_pauses_of_writing_reach_the_server() -> None:
    """Before the first byte there is no server to tell."""
    server = WritePauses()
    guarded = ConnectionGuard(LIMITS).wrap_protocol(lambda: server)
    guarded.connection_made(RecordingTransport())
    guarded.pause_writing()
    guarded.resume_writing()
    guarded.data_received(b"a")
    guarded.pause_writing()
    guarded.resume_writing()
    guarded.connection_lost(None)
    assert server.changes == ["pause", "resume"]


async def test_late_events_of_an_aborted_connection_change_nothing() -> None:
    """The loop may deliver bytes and the end of a connection that is aborted."""
    guard, transport = ConnectionGuard(replace(LIMITS, seconds=0.0)), RecordingTransport()
    guarded = guard.wrap_protocol(lambda: EchoServer(guard))
    guarded.connection_made(transport)
    guard.abort_incomplete()
    assert transport.is_aborted
    deadline_passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.001, deadline_passed.set)
    await deadline_passed.wait()
    guarded.data_received(b"a")
    guard.mark_complete(None)
    guard.mark_complete(transport)
    guard.remove(transport)
    guarded.connection_lost(None)


async def test_complete_requests_may_exceed_the_total() -> None:
    """If no incomplete connection is left to abort, the complete ones go on."""
    guard = ConnectionGuard(replace(LIMITS, total_bytes=1))
    transport = RecordingTransport()
    guarded = guard.wrap_protocol(WritePauses)
    guarded.connection_made(transport)
    guard.mark_complete(transport)
    guarded.data_received(b"abc")
    assert not transport.is_aborted
    guarded.connection_lost(None)


async def test_datagrams_are_refused() -> None:
    """Only a stream has an order of bytes."""
    guarded = ConnectionGuard(LIMITS).wrap_protocol(WritePauses)
    with pytest.raises(TypeError):
        guarded.connection_made(asyncio.DatagramTransport())
    guarded.connection_lost(None)
