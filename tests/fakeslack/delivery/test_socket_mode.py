"""Socket Mode as Slack does it: tickets, hello, acknowledgements, and again where none came."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from testing.workspace import ADA, APP_TOKEN, GENERAL, STARCHAT, Workspace

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


async def test_an_event_is_acknowledged_once(opener: SocketOpener) -> None:
    """An acknowledged envelope is not sent again, and the journal shows when it was."""
    phone = await opener.open_greeted_socket()
    ts = opener.slack.post_message(ADA, GENERAL, "hi")
    envelope = await phone.receive_message()
    assert envelope["payload"]["event"]["ts"] == ts
    assert (envelope["retry_attempt"], envelope["retry_reason"]) == (0, "")
    assert not envelope["accepts_response_payload"]
    await phone.send_frame("not json")
    await phone.send_frame("[]")
    await phone.acknowledge_envelope(envelope)
    await phone.expect_silence(2 * ACK_SECONDS)
    [sent] = opener.slack.delivery_attempts(ts)
    assert sent["acked_at"] >= sent["sent_at"]
    assert (sent["type"], sent["event_type"], sent["attempt"]) == ("events_api", "message", 0)


async def test_an_event_nobody_acknowledges_comes_again_three_times(opener: SocketOpener) -> None:
    """At once, after a minute and after five more; then Slack gives up."""
    opener.slack.set_clock(speed=600)
    phone = await opener.open_greeted_socket()
    ts = opener.slack.post_message(ADA, GENERAL, "hi")
    seen = [await phone.receive_message() for _ in range(4)]
    await phone.expect_silence(2 * ACK_SECONDS)
    assert [one["retry_attempt"] for one in seen] == [0, 1, 2, 3]
    assert [one["retry_reason"] for one in seen[1:]] == ["timeout"] * 3
    assert len({one["payload"]["event_id"] for one in seen}) == 1
    assert len({one["envelope_id"] for one in seen}) == 4
    sent = opener.slack.delivery_attempts(ts)
    assert [one["failure"] for one in sent] == ["timeout"] * 4
    gaps = [later["sent_at"] - earlier["sent_at"] for earlier, later in itertools.pairwise(sent)]
    for gap, minutes in zip(gaps, (0, 1, 5), strict=True):
        assert gap >= ACK_SECONDS + minutes * 60 / 600


async def test_a_late_acknowledgement_does_not_count(opener: SocketOpener) -> None:
    """Who answers after the time is asked again."""
    phone = await opener.open_greeted_socket()
    opener.slack.post_message(ADA, GENERAL, "hi")
    first = await phone.receive_message()
    second = await phone.receive_message()
    await phone.acknowledge_envelope(first)
    await phone.acknowledge_envelope(second)
    opener.slack.set_clock(advance=1_000)
    await phone.expect_silence()


async def test_what_happens_while_nobody_is_there_is_delivered_later(opener: SocketOpener) -> None:
    """Events without a socket wait for the repetition after a minute."""
    ts = opener.slack.post_message(ADA, GENERAL, "hi")
    phone = await opener.open_greeted_socket()
    await phone.expect_silence()
    opener.slack.set_clock(advance=60)
    envelope = await phone.receive_message()
    assert (envelope["retry_attempt"], envelope["retry_reason"]) == (2, "connection_failed")
    await phone.acknowledge_envelope(envelope)
    assert envelope["payload"]["event"]["ts"] == ts


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


async def test_events_are_doubled_mixed_and_repeated_on_demand(opener: SocketOpener) -> None:
    """The same event may come twice, out of order, and long after its time."""
    phone = await opener.open_greeted_socket()

    async def receive_envelopes(count: int) -> list[Json]:
        envelopes = [await phone.receive_message() for _ in range(count)]
        for envelope in envelopes:
            await phone.acknowledge_envelope(envelope)
        return [envelope["payload"] for envelope in envelopes]

    opener.slack.set_faults(deliveries={"duplicate": 1.0, "copies": 1})
    ts = opener.slack.post_message(ADA, GENERAL, "hi")
    first, second = await receive_envelopes(2)
    assert first["event_id"] == second["event_id"]

    opener.slack.set_faults(deliveries={"reorder": 5, "hold": 60.0}, seed=3)
    for number in range(5):
        opener.slack.post_message(ADA, GENERAL, str(number))
    words = [one["event"]["text"] for one in await receive_envelopes(5)]
    assert sorted(words) == list("01234")
    assert words != list("01234")

    opener.slack.set_faults(deliveries={"reorder": 2, "hold": 0.1})
    opener.slack.redeliver_events(ts)
    envelope = await phone.receive_message()
    assert (envelope["retry_attempt"], envelope["payload"]["event_id"]) == (1, first["event_id"])
    await phone.acknowledge_envelope(envelope)
    opener.slack.post_message(ADA, GENERAL, "alone")
    assert [one["event"]["text"] for one in await receive_envelopes(1)] == ["alone"]
    with pytest.raises(AssertionError, match="message_not_found"):
        opener.slack.redeliver_events("1.000000")


async def test_any_event_can_be_sent_by_hand(opener: SocketOpener) -> None:
    """What Slack sends rarely can be tried at will."""
    phone = await opener.open_greeted_socket()
    opener.slack.send_control("event", event={"type": "app_uninstalled"})
    envelope = await phone.receive_message()
    assert envelope["payload"]["event"]["type"] == "app_uninstalled"
    with pytest.raises(AssertionError, match="invalid_arguments"):
        opener.slack.send_control("event", event=3)


async def test_a_command_is_answered_in_its_acknowledgement(opener: SocketOpener) -> None:
    """What the app says in the acknowledgement is shown to the person alone."""
    phone = await opener.open_greeted_socket()
    typed = asyncio.create_task(
        asyncio.to_thread(opener.slack.post_message, ADA, GENERAL, "/starchat help")
    )
    envelope = await phone.receive_message()
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
    assert (envelope["payload"]["command"], envelope["payload"]["text"]) == ("/starchat", "help")
    await phone.acknowledge_envelope(envelope, payload={"text": "Ask me."})
    await typed
    [whisper] = opener.slack.read_messages(GENERAL)
    assert (whisper["text"], whisper["user"]) == ("Ask me.", STARCHAT)
    assert opener.slack.read_messages(GENERAL, user="U0LIN00001") == []
