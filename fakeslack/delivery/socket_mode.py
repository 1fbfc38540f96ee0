"""Socket Mode: single-use tickets, up to ten sockets, one socket for each envelope."""

import asyncio
import contextlib
import itertools
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from fakeslack.clock import SimulatedClock
from fakeslack.delivery.transport import Envelope, UndeliveredError
from fakeslack.errors import Json, SlackError

log = structlog.get_logger()

MAX_SOCKETS = 10
SOCKET_LIFETIME_SECONDS = 18_060.0
DEBUG_LIFETIME_SECONDS = 360.0
WARNING_SECONDS = 10.0
"""Time between the warning and the disconnect."""
PING_INTERVAL_SECONDS = 30.0
CLOSE_TIMEOUT_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class Socket:
    """One open WebSocket of the app."""

    connection: web.WebSocketResponse
    number: int
    request: web.BaseRequest


class SocketModeTransport:
    """Transport by the app's open sockets; it holds the unacknowledged envelopes."""

    def __init__(
        self,
        app_id: str,
        clock: SimulatedClock,
        rng: random.Random,
        on_connection_change: Callable[[bool], None],
    ) -> None:
        """Serve the app `app_id`; report each change of `has_connection`."""
        self.is_enabled = True
        self.ignore_pings = False
        self.num_stale_tickets = 0
        self._app_id = app_id
        self._clock = clock
        self._rng = rng
        self._on_connection_change = on_connection_change
        self._tickets: set[str] = set()
        self._open_sockets: dict[int, Socket] = {}
        self._pending_acks: dict[str, asyncio.Future[Json]] = {}
        self._socket_numbers = itertools.count(1)

    @property
    def has_connection(self) -> bool:
        """Whether the app has an open socket."""
        return bool(self._open_sockets)

    def issue_ticket(self) -> str:
        """Return a ticket for one socket. Raises `forbidden_team` if Socket Mode is disabled."""
        if not self.is_enabled:
            raise SlackError("forbidden_team")
        ticket = str(uuid.uuid4())
        if self.num_stale_tickets > 0:
            self.num_stale_tickets -= 1
        else:
            self._tickets.add(ticket)
        return ticket

    async def accept_socket(self, request: web.Request) -> web.StreamResponse:
        """Open a socket for a fresh ticket and serve it until it closes."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=408, text="Request Timeout")
        self._tickets.discard(ticket)
        connection = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_SECONDS,
            heartbeat=PING_INTERVAL_SECONDS,
            autoping=False,
            max_msg_size=2**20,
        )
        await connection.prepare(request)
        socket = Socket(connection, next(self._socket_numbers), request)
        if len(self._open_sockets) >= MAX_SOCKETS:
            await self._disconnect_socket(socket, "too_many_websockets")
        else:
            await self._serve_socket(socket)
        return connection

    async def deliver(self, envelope: Envelope, timeout_seconds: float) -> Json:
        """
        Send an envelope through one socket and return the acknowledgement's payload.

        Raises UndeliveredError if no socket is open or the acknowledgement is late.
        """
        if not self._open_sockets:
            raise UndeliveredError("connection_failed")
        ack_future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._pending_acks[envelope.envelope_id] = ack_future
        socket = self._rng.choice(list(self._open_sockets.values()))
        try:
            async with asyncio.timeout(timeout_seconds):
                await socket.connection.send_json(_envelope_message(envelope))
                return await ack_future
        except TimeoutError:
            raise UndeliveredError("timeout") from None
        except (ConnectionError, RuntimeError):
            raise UndeliveredError("connection_failed") from None
        finally:
            del self._pending_acks[envelope.envelope_id]

    async def disconnect_all(self, reason: str) -> int:
        """
        Send a disconnect message on all sockets and close them; return their number.

        After `link_disabled`, no ticket opens a socket until Socket Mode is enabled again.
        """
        if reason == "link_disabled":
            self.is_enabled = False
            self._tickets.clear()
        sockets = list(self._open_sockets.values())
        await asyncio.gather(*(self._disconnect_socket(socket, reason) for socket in sockets))
        return len(sockets)

    async def warn_all(self) -> int:
        """Warn all sockets of their disconnect; return their number."""
        return await self.broadcast_frame(json.dumps(_disconnect_message("warning")))

    async def broadcast_frame(self, frame: str) -> int:
        """Send one raw frame on all sockets; return their number."""
        sockets = list(self._open_sockets.values())
        for socket in sockets:
            await socket.connection.send_str(frame)
        return len(sockets)

    def abort_all(self) -> int:
        """Abort all connections without a close frame; return their number."""
        sockets = list(self._open_sockets.values())
        for socket in sockets:
            transport = socket.request.transport
            if transport is not None:
                transport.abort()
        return len(sockets)

    async def close_all(self) -> None:
        """Close all sockets because the workspace shuts down."""
        sockets = list(self._open_sockets.values())
        code = WSCloseCode.GOING_AWAY
        await asyncio.gather(*(socket.connection.close(code=code) for socket in sockets))

    async def _serve_socket(self, socket: Socket) -> None:
        is_debug = socket.request.query.get("debug_reconnects") == "true"
        lifetime_seconds = DEBUG_LIFETIME_SECONDS if is_debug else SOCKET_LIFETIME_SECONDS
        await socket.connection.send_json(self._hello_message(lifetime_seconds))
        if not self.is_enabled:  # Socket Mode was disabled during the handshake.
            await self._disconnect_socket(socket, "link_disabled")
            return
        self._open_sockets[socket.number] = socket
        expiry_task = asyncio.create_task(self._expire_socket(socket, lifetime_seconds))
        log.info("socket opened", number=socket.number, open=len(self._open_sockets))
        self._on_connection_change(True)  # noqa: FBT003 - a listener with one argument
        try:
            async for frame in socket.connection:
                await self._handle_frame(socket, frame)
        finally:
            expiry_task.cancel()
            self._open_sockets.pop(socket.number, None)
            log.info("socket closed", number=socket.number, open=len(self._open_sockets))
            self._on_connection_change(self.has_connection)

    async def _handle_frame(self, socket: Socket, frame: WSMessage) -> None:
        if frame.type is WSMsgType.TEXT:
            self._resolve_ack(frame.data)
        elif frame.type is WSMsgType.PING and not self.ignore_pings:
            await socket.connection.pong(frame.data)

    async def _expire_socket(self, socket: Socket, lifetime_seconds: float) -> None:
        await self._clock.sleep(lifetime_seconds - WARNING_SECONDS)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.connection.send_json(_disconnect_message("warning"))
        await self._clock.sleep(WARNING_SECONDS)
        await self._disconnect_socket(socket, "refresh_requested")

    async def _disconnect_socket(self, socket: Socket, reason: str) -> None:
        self._open_sockets.pop(socket.number, None)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.connection.send_json(_disconnect_message(reason))
            await socket.connection.close()

    def _hello_message(self, lifetime_seconds: float) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._open_sockets) + 1,
            "debug_info": {
                "host": "applink-fakeslack",
                "build_number": 1,
                "approximate_connection_time": int(lifetime_seconds),
            },
            "connection_info": {"app_id": self._app_id},
        }

    def _resolve_ack(self, frame: str) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            answer = json.loads(frame)
            ack_future = self._pending_acks.get(str(answer.get("envelope_id")))
            if ack_future is not None and not ack_future.done():
                ack_future.set_result(answer.get("payload") or {})


def _envelope_message(envelope: Envelope) -> Json:
    message: Json = {
        "envelope_id": envelope.envelope_id,
        "type": envelope.kind,
        "accepts_response_payload": envelope.accepts_response_payload,
        "payload": envelope.payload,
    }
    if envelope.kind == "events_api":
        message |= {"retry_attempt": envelope.attempt, "retry_reason": envelope.retry_reason}
    return message


def _disconnect_message(reason: str) -> Json:
    return {
        "type": "disconnect",
        "reason": reason,
        "debug_info": {"host": "applink-fakeslack"},
    }
