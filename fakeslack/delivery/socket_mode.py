"""Socket Mode: single-use tickets, up to ten sockets, one of them for each envelope."""

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

from fakeslack.clock import Clock
from fakeslack.delivery.transport import Parcel, UndeliveredError
from fakeslack.errors import Json, SlackError

log = structlog.get_logger()

MOST_SOCKETS = 10
LIFETIME = 18_060.0
DEBUG_LIFETIME = 360.0
WARNING = 10.0
"""How many seconds before its end a socket is warned."""
PING_SECONDS = 30.0
CLOSE_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class Socket:
    """One open connection of the app."""

    connection: web.WebSocketResponse
    number: int
    request: web.BaseRequest


class Sockets:
    """The open sockets of the app and what is waiting for its acknowledgement."""

    def __init__(
        self, app_id: str, clock: Clock, dice: random.Random, told: Callable[[bool], None]
    ) -> None:
        """Serve the app with this id; `told` hears whether a socket is open when that changes."""
        self.enabled = True
        self.mute = False
        self.stale_tickets = 0
        self._app_id = app_id
        self._clock = clock
        self._dice = dice
        self._told = told
        self._tickets: set[str] = set()
        self._open: dict[int, Socket] = {}
        self._waiting: dict[str, asyncio.Future[Json]] = {}
        self._numbers = itertools.count(1)

    @property
    def connected(self) -> bool:
        """Whether the app has a socket open."""
        return bool(self._open)

    def ticket(self) -> str:
        """Give out a ticket that opens one socket once; raises `forbidden_team` when disabled."""
        if not self.enabled:
            raise SlackError("forbidden_team")
        ticket = str(uuid.uuid4())
        if self.stale_tickets > 0:
            self.stale_tickets -= 1
        else:
            self._tickets.add(ticket)
        return ticket

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Open a socket for who shows a fresh ticket; serve it until it closes."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=408, text="Request Timeout")
        self._tickets.discard(ticket)
        connection = web.WebSocketResponse(
            timeout=CLOSE_SECONDS, heartbeat=PING_SECONDS, autoping=False, max_msg_size=2**20
        )
        await connection.prepare(request)
        socket = Socket(connection, next(self._numbers), request)
        if len(self._open) >= MOST_SOCKETS:
            await self._dismiss(socket, "too_many_websockets")
        else:
            await self._serve(socket)
        return connection

    async def carry(self, parcel: Parcel, within: float) -> Json:
        """Send an envelope through one socket and wait for its acknowledgement."""
        if not self._open:
            raise UndeliveredError("connection_failed")
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[parcel.envelope_id] = answer
        socket = self._dice.choice(list(self._open.values()))
        try:
            async with asyncio.timeout(within):
                await socket.connection.send_json(_wire(parcel))
                return await answer
        except TimeoutError:
            raise UndeliveredError("timeout") from None
        except (ConnectionError, RuntimeError):
            raise UndeliveredError("connection_failed") from None
        finally:
            del self._waiting[parcel.envelope_id]

    async def disconnect(self, reason: str) -> int:
        """
        Tell all sockets to go and close them; returns how many there were.

        After `link_disabled` no ticket opens a socket, until Socket Mode is `enabled` again.
        """
        if reason == "link_disabled":
            self.enabled = False
            self._tickets.clear()
        going = list(self._open.values())
        await asyncio.gather(*(self._dismiss(socket, reason) for socket in going))
        return len(going)

    async def warn(self) -> int:
        """Tell all sockets that they will be closed soon; returns how many there are."""
        return await self.say(json.dumps(_goodbye("warning")))

    async def say(self, raw: str) -> int:
        """Send one frame as it is to all sockets; returns how many there are."""
        hearing = list(self._open.values())
        for socket in hearing:
            await socket.connection.send_str(raw)
        return len(hearing)

    def drop(self) -> int:
        """Cut all connections without a word; returns how many there were."""
        cut = list(self._open.values())
        for socket in cut:
            transport = socket.request.transport
            if transport is not None:
                transport.abort()
        return len(cut)

    async def close(self) -> None:
        """Close all sockets because the workspace closes."""
        closing = list(self._open.values())
        code = WSCloseCode.GOING_AWAY
        await asyncio.gather(*(socket.connection.close(code=code) for socket in closing))

    async def _serve(self, socket: Socket) -> None:
        brief = socket.request.query.get("debug_reconnects") == "true"
        lifetime = DEBUG_LIFETIME if brief else LIFETIME
        await socket.connection.send_json(self._hello(lifetime))
        if not self.enabled:  # Switched off while this one was on its way in.
            await self._dismiss(socket, "link_disabled")
            return
        self._open[socket.number] = socket
        aging = asyncio.create_task(self._age(socket, lifetime))
        log.info("socket opened", number=socket.number, open=len(self._open))
        self._told(True)  # noqa: FBT003 - the one thing there is to tell
        try:
            async for frame in socket.connection:
                await self._heard(socket, frame)
        finally:
            aging.cancel()
            self._open.pop(socket.number, None)
            log.info("socket closed", number=socket.number, open=len(self._open))
            self._told(self.connected)

    async def _heard(self, socket: Socket, frame: WSMessage) -> None:
        if frame.type is WSMsgType.TEXT:
            self._acknowledged(frame.data)
        elif frame.type is WSMsgType.PING and not self.mute:
            await socket.connection.pong(frame.data)

    async def _age(self, socket: Socket, lifetime: float) -> None:
        await self._clock.sleep(lifetime - WARNING)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.connection.send_json(_goodbye("warning"))
        await self._clock.sleep(WARNING)
        await self._dismiss(socket, "refresh_requested")

    async def _dismiss(self, socket: Socket, reason: str) -> None:
        self._open.pop(socket.number, None)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.connection.send_json(_goodbye(reason))
            await socket.connection.close()

    def _hello(self, seconds: float) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._open) + 1,
            "debug_info": {
                "host": "applink-fakeslack",
                "build_number": 1,
                "approximate_connection_time": int(seconds),
            },
            "connection_info": {"app_id": self._app_id},
        }

    def _acknowledged(self, frame: str) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            answer = json.loads(frame)
            waiting = self._waiting.get(str(answer.get("envelope_id")))
            if waiting is not None and not waiting.done():
                waiting.set_result(answer.get("payload") or {})


def _wire(parcel: Parcel) -> Json:
    envelope: Json = {
        "envelope_id": parcel.envelope_id,
        "type": parcel.kind,
        "accepts_response_payload": parcel.answers,
        "payload": parcel.payload,
    }
    if parcel.kind == "events_api":
        envelope |= {"retry_attempt": parcel.attempt, "retry_reason": parcel.reason}
    return envelope


def _goodbye(reason: str) -> Json:
    return {
        "type": "disconnect",
        "reason": reason,
        "debug_info": {"host": "applink-fakeslack"},
    }
