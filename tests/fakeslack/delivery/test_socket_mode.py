"""Socket Mode connections: tickets, hello, pings, warnings and disconnects."""

import asyncio
import json

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from testing.workspace import ADA, GENERAL
from tests.fakeslack.delivery.conftest import SocketOpener


async def test_a_ticket_opens_one_socket(opener: SocketOpener) -> None:
    """The same address does not work twice, and the greeting says how many are open."""
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


async def test_each_event_goes_to_one_of_the_sockets(opener: SocketOpener) -> None:
    """Two sockets share the events between them."""
    phones = [await opener.open_greeted_socket(), await opener.open_greeted_socket()]
    for number in range(12):
        opener.slack.post_message(ADA, GENERAL, str(number))
    heard: list[list[str]] = [[], []]
    arrivals: asyncio.Queue[int] = asyncio.Queue()

    async def record_event(place: int) -> None:
        while True:
            envelope = await phones[place].receive_message()
            await phones[place].acknowledge_envelope(envelope)
            heard[place].append(envelope["payload"]["event"]["text"])
            arrivals.put_nowait(place)

    listeners = [asyncio.create_task(record_event(place)) for place in (0, 1)]
    async with asyncio.timeout(10):
        for _ in range(12):
            await arrivals.get()
    for listener in listeners:
        listener.cancel()
    assert sorted(heard[0] + heard[1], key=int) == [str(number) for number in range(12)]
    assert heard[0]
    assert heard[1]


async def test_the_eleventh_socket_is_sent_away(opener: SocketOpener) -> None:
    """Ten are enough."""
    phones = [await opener.open_greeted_socket() for _ in range(10)]
    eleventh = await opener.open_socket()
    assert (await eleventh.receive_message())["reason"] == "too_many_websockets"
    assert await eleventh.is_closed_next()
    assert len(phones) == 10


@pytest.mark.parametrize("reason", ["refresh_requested", "too_many_websockets"])
async def test_sockets_are_told_to_go(opener: SocketOpener, reason: str) -> None:
    """Slack warns, then says goodbye and closes."""
    phone = await opener.open_greeted_socket()
    assert opener.slack.control_sockets("warning") == 1
    assert (await phone.receive_message())["reason"] == "warning"
    assert opener.slack.control_sockets(reason) == 1
    assert (await phone.receive_message())["reason"] == reason
    assert await phone.is_closed_next()
    assert not opener.slack.read_state()["app"]["connected"]


async def test_a_disabled_app_opens_no_sockets(opener: SocketOpener) -> None:
    """After `link_disabled` no ticket is given out, and none opens, until it is on again."""
    early = await opener.issue_url()
    opener.slack.control_sockets("link_disabled")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await opener.open_socket(early)
    with pytest.raises(SlackApiError, match="forbidden_team"):
        await opener.issue_url()
    opener.slack.control_sockets("enable")
    await opener.open_greeted_socket()


async def test_sockets_break_on_demand(opener: SocketOpener) -> None:
    """A cut line, a stale ticket and a frame of nonsense can be had for the asking."""
    phone = await opener.open_greeted_socket()
    opener.slack.control_sockets("send_frame", frame="{nonsense")
    with pytest.raises(json.JSONDecodeError):
        await phone.receive_message()
    assert opener.slack.control_sockets("drop") == 1
    assert await phone.is_closed_next()
    opener.slack.control_sockets("stale_tickets", count=1)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await opener.open_socket()
    await (await opener.open_greeted_socket()).close_socket()
    with pytest.raises(AssertionError, match="invalid_arguments"):
        opener.slack.control_sockets("odd")


async def test_a_socket_lives_for_hours_and_is_warned_before_its_end(opener: SocketOpener) -> None:
    """Ten seconds before Slack asks for a fresh socket it says so."""
    phone = await opener.open_greeted_socket()
    opener.slack.set_clock(advance=18_051)
    assert (await phone.receive_message())["reason"] == "warning"
    opener.slack.set_clock(advance=10)
    assert (await phone.receive_message())["reason"] == "refresh_requested"
    assert await phone.is_closed_next()


async def test_pings_are_answered_unless_the_workspace_is_mute(opener: SocketOpener) -> None:
    """A client that pings learns whether anybody is there."""
    phone = await opener.open_greeted_socket()
    assert await phone.send_ping() == b"there?"
    opener.slack.control_sockets("ignore_pings")
    with pytest.raises(TimeoutError):
        await phone.send_ping()
    opener.slack.control_sockets("enable")
    assert await phone.send_ping() == b"there?"
