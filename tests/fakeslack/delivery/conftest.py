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
    """One socket of the app, spoken by hand."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection

    async def receive_message(self, timeout_seconds: float = 10.0) -> Json:
        """Return the next envelope or greeting."""
        found = await self._connection.receive_json(timeout=timeout_seconds)
        assert isinstance(found, dict)
        return found

    async def acknowledge_envelope(self, envelope: Json, **more: Any) -> None:
        """Acknowledge an envelope."""
        await self._connection.send_json({"envelope_id": envelope["envelope_id"], **more})

    async def send_ping(self) -> bytes:
        """Ping and return what comes back."""
        await self._connection.ping(b"there?")
        frame = await self._connection.receive(timeout=0.5)
        assert frame.type is aiohttp.WSMsgType.PONG
        return bytes(frame.data)

    async def send_frame(self, frame: str) -> None:
        """Send a frame as it is."""
        await self._connection.send_str(frame)

    async def close_socket(self) -> None:
        """Close the socket."""
        await self._connection.close()

    async def expect_silence(self, seconds: float = 0.2) -> None:
        """Nothing comes for a while."""
        with pytest.raises(TimeoutError):
            await self._connection.receive(timeout=seconds)

    async def is_closed_next(self) -> bool:
        """Whether the other side hangs up next."""
        frame = await self._connection.receive(timeout=10)
        return frame.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


class SocketOpener:
    """Opens sockets to a workspace."""

    def __init__(self, slack: Workspace, session: aiohttp.ClientSession) -> None:
        self.slack = slack
        self._session = session
        self._client = WebClient(token=APP_TOKEN, base_url=slack.api_url)

    async def issue_url(self) -> str:
        """Return a fresh address for one socket."""
        answer = await asyncio.to_thread(self._client.apps_connections_open, app_token=APP_TOKEN)
        return str(answer["url"])

    async def open_socket(self, url: str | None = None) -> SocketClient:
        """Open a socket."""
        return SocketClient(
            await self._session.ws_connect(url or await self.issue_url(), autoping=False)
        )

    async def open_greeted_socket(self) -> SocketClient:
        """Open a socket and hear its greeting."""
        phone = await self.open_socket()
        assert (await phone.receive_message())["type"] == "hello"
        return phone


@pytest.fixture
async def opener() -> AsyncIterator[SocketOpener]:
    """A line to a workspace that waits less long for acknowledgements than Slack."""
    with Workspace("--ack-seconds", str(ACK_SECONDS)) as slack:
        async with aiohttp.ClientSession() as session:
            yield SocketOpener(slack, session)
