"""Socket Mode connections: tickets, hello, pings, warnings and disconnects."""

import asyncio
import json

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from testing.workspace import ADA, GENERAL
from tests.fakeslack.delivery.conftest import SocketOpener


async def test_a_ticket_opens_one_socket(opener: SocketOpener) -> None:
    """A ticket works once; the hello message counts the open sockets."""
    address = await opener.issue_url()
    hello = await (await opener.open_socket(address)).receive_message()
    assert (hello["type"], hello["num_connections"]) == ("hello", 1)
    assert hello["connection_info"] == {"app_id": "A0STARCHAT"}
    assert hello["debug_info"]["approximate_connection_time"] == 18_060
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await opener.open_socket(address)
    brief = await (
        await opener.open_socket(f"{await opener.issue_url()}&debug_reconnects=true")
    ).receive_message()
    assert brief["debug_info"]["approximate_connection_time"] == 360
    assert opener.slack.read_state()["app"]["connected"]


async def test_each_event_goes_to_one_socket(opener: SocketOpener) -> None:
    """Two sockets share the events."""
    sockets = [await opener.open_greeted_socket(), await opener.open_greeted_socket()]
    for number in range(12):
        opener.slack.post_message(ADA, GENERAL, str(number))
    received: list[list[str]] = [[], []]
    arrivals: asyncio.Queue[int] = asyncio.Queue()

    async def record_event(index: int) -> None:
        while True:
            envelope = await sockets[index].receive_message()
            await sockets[index].acknowledge_envelope(envelope)
            received[index].append(envelope["payload"]["event"]["text"])
            arrivals.put_nowait(index)

    listeners = [asyncio.create_task(record_event(index)) for index in (0, 1)]
    async with asyncio.timeout(10):
        for _ in range(12):
            await arrivals.get()
    for listener in listeners:
        listener.cancel()
    assert sorted(received[0] + received[1], key=int) == [str(number) for number in range(12)]
    assert received[0]
    assert received[1]


async def test_the_eleventh_socket_is_disconnected(opener: SocketOpener) -> None:
    """An app may open ten sockets."""
    sockets = [await opener.open_greeted_socket() for _ in range(10)]
    eleventh = await opener.open_socket()
    assert (await eleventh.receive_message())["reason"] == "too_many_websockets"
    assert await eleventh.is_closed_next()
    assert len(sockets) == 10


@pytest.mark.parametrize("reason", ["refresh_requested", "too_many_websockets"])
async def test_sockets_get_a_warning_and_a_disconnect_message(
    opener: SocketOpener, reason: str
) -> None:
    """Slack warns, then sends a disconnect message and closes."""
    socket = await opener.open_greeted_socket()
    assert opener.slack.control_sockets("warning") == 1
    assert (await socket.receive_message())["reason"] == "warning"
    assert opener.slack.control_sockets(reason) == 1
    assert (await socket.receive_message())["reason"] == reason
    assert await socket.is_closed_next()
    assert not opener.slack.read_state()["app"]["connected"]


async def test_link_disabled_closes_socket_mode(opener: SocketOpener) -> None:
    """After `link_disabled`, no ticket is issued or accepted until it is enabled again."""
    early = await opener.issue_url()
    opener.slack.control_sockets("link_disabled")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await opener.open_socket(early)
    with pytest.raises(SlackApiError, match="forbidden_team"):
        await opener.issue_url()
    opener.slack.control_sockets("enable")
    await opener.open_greeted_socket()


async def test_sockets_fail_on_demand(opener: SocketOpener) -> None:
    """A test can abort connections, issue stale tickets and send malformed frames."""
    socket = await opener.open_greeted_socket()
    opener.slack.control_sockets("send_frame", frame="{nonsense")
    with pytest.raises(json.JSONDecodeError):
        await socket.receive_message()
    assert opener.slack.control_sockets("drop") == 1
    assert await socket.is_closed_next()
    opener.slack.control_sockets("stale_tickets", count=1)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await opener.open_socket()
    await (await opener.open_greeted_socket()).close_socket()
    with pytest.raises(AssertionError, match="invalid_arguments"):
        opener.slack.control_sockets("odd")


async def test_a_socket_is_warned_ten_seconds_before_its_end(opener: SocketOpener) -> None:
    """The disconnect message follows the warning after ten seconds."""
    socket = await opener.open_greeted_socket()
    opener.slack.set_clock(advance=18_051)
    assert (await socket.receive_message())["reason"] == "warning"
    opener.slack.set_clock(advance=10)
    assert (await socket.receive_message())["reason"] == "refresh_requested"
    assert await socket.is_closed_next()


async def test_pings_are_answered_unless_ignored(opener: SocketOpener) -> None:
    """A client receives pongs until a test makes the workspace ignore pings."""
    socket = await opener.open_greeted_socket()
    assert await socket.send_ping() == b"there?"
    opener.slack.control_sockets("ignore_pings")
    with pytest.raises(TimeoutError):
        await socket.send_ping()
    opener.slack.control_sockets("enable")
    assert await socket.send_ping() == b"there?"
