"""Socket Mode clients for the delivery tests."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk import WebClient

from testing.workspace import APP_TOKEN, Workspace

Json = dict[str, Any]


ACK_SECONDS = 1.0


class SocketClient:
    """One Socket Mode connection, controlled message by message."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection

    async def receive_message(self, timeout_seconds: float = 10.0) -> Json:
        """Return the next message."""
        found = await self._connection.receive_json(timeout=timeout_seconds)
        assert isinstance(found, dict)
        return found

    async def acknowledge_envelope(self, envelope: Json, **more: Any) -> None:
        """Acknowledge an envelope."""
        await self._connection.send_json({"envelope_id": envelope["envelope_id"], **more})

    async def send_ping(self) -> bytes:
        """Send a ping and return the pong's data."""
        await self._connection.ping(b"there?")
        frame = await self._connection.receive(timeout=0.5)
        assert frame.type is aiohttp.WSMsgType.PONG
        return bytes(frame.data)

    async def send_frame(self, frame: str) -> None:
        """Send a raw frame."""
        await self._connection.send_str(frame)

    async def close_socket(self) -> None:
        """Close the socket."""
        await self._connection.close()

    async def expect_silence(self, seconds: float = 0.2) -> None:
        """Check that no message arrives for some time."""
        with pytest.raises(TimeoutError):
            await self._connection.receive(timeout=seconds)

    async def is_closed_next(self) -> bool:
        """Whether the server closes the connection next."""
        frame = await self._connection.receive(timeout=10)
        return frame.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


class SocketOpener:
    """Opener of Socket Mode connections to a workspace."""

    def __init__(self, slack: Workspace, session: aiohttp.ClientSession) -> None:
        self.slack = slack
        self._session = session
        self._client = WebClient(token=APP_TOKEN, base_url=slack.api_url)

    async def issue_url(self) -> str:
        """Return a URL with a fresh ticket."""
        answer = await asyncio.to_thread(self._client.apps_connections_open, app_token=APP_TOKEN)
        return str(answer["url"])

    async def open_socket(self, url: str | None = None) -> SocketClient:
        """Open a socket."""
        return SocketClient(
            await self._session.ws_connect(url or await self.issue_url(), autoping=False)
        )

    async def open_greeted_socket(self) -> SocketClient:
        """Open a socket and read its hello message."""
        socket = await self.open_socket()
        assert (await socket.receive_message())["type"] == "hello"
        return socket


@pytest.fixture
async def opener() -> AsyncIterator[SocketOpener]:
    """A workspace whose acknowledgement timeout is short."""
    with Workspace("--ack-seconds", str(ACK_SECONDS)) as slack:
        async with aiohttp.ClientSession() as session:
            yield SocketOpener(slack, session)
