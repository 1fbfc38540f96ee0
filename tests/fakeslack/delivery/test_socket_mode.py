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


class Phone:
    """One socket of the app, spoken by hand."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection

    async def hear(self, within: float = 10.0) -> Json:
        """Return the next envelope or greeting."""
        found = await self._connection.receive_json(timeout=within)
        assert isinstance(found, dict)
        return found

    async def ack(self, envelope: Json, **more: Any) -> None:
        """Acknowledge an envelope."""
        await self._connection.send_json({"envelope_id": envelope["envelope_id"], **more})

    async def ping(self) -> bytes:
        """Ping and return what comes back."""
        await self._connection.ping(b"there?")
        frame = await self._connection.receive(timeout=0.5)
        assert frame.type is aiohttp.WSMsgType.PONG
        return bytes(frame.data)

    async def say(self, frame: str) -> None:
        """Send a frame as it is."""
        await self._connection.send_str(frame)

    async def hang_up(self) -> None:
        """Close the socket."""
        await self._connection.close()

    async def silence(self, within: float = 0.2) -> None:
        """Nothing comes for a while."""
        with pytest.raises(TimeoutError):
            await self._connection.receive(timeout=within)

    async def closed(self) -> bool:
        """Whether the other side hangs up next."""
        frame = await self._connection.receive(timeout=10)
        return frame.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


class Line:
    """Opens sockets to a workspace."""

    def __init__(self, slack: Workspace, session: aiohttp.ClientSession) -> None:
        self.slack = slack
        self._session = session
        self._client = WebClient(token=APP_TOKEN, base_url=slack.api_url)

    async def ticket(self) -> str:
        """Return a fresh address for one socket."""
        answer = await asyncio.to_thread(self._client.apps_connections_open, app_token=APP_TOKEN)
        return str(answer["url"])

    async def open(self, address: str | None = None) -> Phone:
        """Open a socket."""
        return Phone(await self._session.ws_connect(address or await self.ticket(), autoping=False))

    async def greeted(self) -> Phone:
        """Open a socket and hear its greeting."""
        phone = await self.open()
        assert (await phone.hear())["type"] == "hello"
        return phone


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A line to a workspace that waits less long for acknowledgements than Slack."""
    with Workspace("--ack-seconds", str(ACK_SECONDS)) as slack:
        async with aiohttp.ClientSession() as session:
            yield Line(slack, session)


async def test_a_ticket_opens_one_socket(line: Line) -> None:
    """The same address does not work twice, and the greeting says how many are open."""
    address = await line.ticket()
    hello = await (await line.open(address)).hear()
    assert (hello["type"], hello["num_connections"]) == ("hello", 1)
    assert hello["connection_info"] == {"app_id": "A0STARCHAT"}
    assert hello["debug_info"]["approximate_connection_time"] == 18_060
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await line.open(address)
    brief = await (await line.open(f"{await line.ticket()}&debug_reconnects=true")).hear()
    assert brief["debug_info"]["approximate_connection_time"] == 360
    assert line.slack.read_state()["app"]["connected"]


async def test_an_event_is_acknowledged_once(line: Line) -> None:
    """An acknowledged envelope is not sent again, and the journal shows when it was."""
    phone = await line.greeted()
    ts = line.slack.post_message(ADA, GENERAL, "hi")
    envelope = await phone.hear()
    assert envelope["payload"]["event"]["ts"] == ts
    assert (envelope["retry_attempt"], envelope["retry_reason"]) == (0, "")
    assert not envelope["accepts_response_payload"]
    await phone.say("not json")
    await phone.say("[]")
    await phone.ack(envelope)
    await phone.silence(2 * ACK_SECONDS)
    [sent] = line.slack.delivery_attempts(ts)
    assert sent["acked_at"] >= sent["sent_at"]
    assert (sent["type"], sent["event_type"], sent["attempt"]) == ("events_api", "message", 0)


async def test_an_event_nobody_acknowledges_comes_again_three_times(line: Line) -> None:
    """At once, after a minute and after five more; then Slack gives up."""
    line.slack.set_clock(speed=600)
    phone = await line.greeted()
    ts = line.slack.post_message(ADA, GENERAL, "hi")
    seen = [await phone.hear() for _ in range(4)]
    await phone.silence(2 * ACK_SECONDS)
    assert [one["retry_attempt"] for one in seen] == [0, 1, 2, 3]
    assert [one["retry_reason"] for one in seen[1:]] == ["timeout"] * 3
    assert len({one["payload"]["event_id"] for one in seen}) == 1
    assert len({one["envelope_id"] for one in seen}) == 4
    sent = line.slack.delivery_attempts(ts)
    assert [one["failure"] for one in sent] == ["timeout"] * 4
    gaps = [later["sent_at"] - earlier["sent_at"] for earlier, later in itertools.pairwise(sent)]
    for gap, minutes in zip(gaps, (0, 1, 5), strict=True):
        assert gap >= ACK_SECONDS + minutes * 60 / 600


async def test_a_late_acknowledgement_does_not_count(line: Line) -> None:
    """Who answers after the time is asked again."""
    phone = await line.greeted()
    line.slack.post_message(ADA, GENERAL, "hi")
    first = await phone.hear()
    second = await phone.hear()
    await phone.ack(first)
    await phone.ack(second)
    line.slack.set_clock(advance=1_000)
    await phone.silence()


async def test_what_happens_while_nobody_is_there_is_delivered_later(line: Line) -> None:
    """Events without a socket wait for the repetition after a minute."""
    ts = line.slack.post_message(ADA, GENERAL, "hi")
    phone = await line.greeted()
    await phone.silence()
    line.slack.set_clock(advance=60)
    envelope = await phone.hear()
    assert (envelope["retry_attempt"], envelope["retry_reason"]) == (2, "connection_failed")
    await phone.ack(envelope)
    assert envelope["payload"]["event"]["ts"] == ts


async def test_each_event_goes_to_one_of_the_sockets(line: Line) -> None:
    """Two sockets share the events between them."""
    phones = [await line.greeted(), await line.greeted()]
    for number in range(12):
        line.slack.post_message(ADA, GENERAL, str(number))
    heard: list[list[str]] = [[], []]
    arrivals: asyncio.Queue[int] = asyncio.Queue()

    async def listen(place: int) -> None:
        while True:
            envelope = await phones[place].hear()
            await phones[place].ack(envelope)
            heard[place].append(envelope["payload"]["event"]["text"])
            arrivals.put_nowait(place)

    listeners = [asyncio.create_task(listen(place)) for place in (0, 1)]
    async with asyncio.timeout(10):
        for _ in range(12):
            await arrivals.get()
    for listener in listeners:
        listener.cancel()
    assert sorted(heard[0] + heard[1], key=int) == [str(number) for number in range(12)]
    assert heard[0]
    assert heard[1]


async def test_the_eleventh_socket_is_sent_away(line: Line) -> None:
    """Ten are enough."""
    phones = [await line.greeted() for _ in range(10)]
    eleventh = await line.open()
    assert (await eleventh.hear())["reason"] == "too_many_websockets"
    assert await eleventh.closed()
    assert len(phones) == 10


@pytest.mark.parametrize("reason", ["refresh_requested", "too_many_websockets"])
async def test_sockets_are_told_to_go(line: Line, reason: str) -> None:
    """Slack warns, then says goodbye and closes."""
    phone = await line.greeted()
    assert line.slack.control_sockets("warning") == 1
    assert (await phone.hear())["reason"] == "warning"
    assert line.slack.control_sockets(reason) == 1
    assert (await phone.hear())["reason"] == reason
    assert await phone.closed()
    assert not line.slack.read_state()["app"]["connected"]


async def test_a_disabled_app_opens_no_sockets(line: Line) -> None:
    """After `link_disabled` no ticket is given out, and none opens, until it is on again."""
    early = await line.ticket()
    line.slack.control_sockets("link_disabled")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await line.open(early)
    with pytest.raises(SlackApiError, match="forbidden_team"):
        await line.ticket()
    line.slack.control_sockets("enable")
    await line.greeted()


async def test_sockets_break_on_demand(line: Line) -> None:
    """A cut line, a stale ticket and a frame of nonsense can be had for the asking."""
    phone = await line.greeted()
    line.slack.control_sockets("say", frame="{nonsense")
    with pytest.raises(json.JSONDecodeError):
        await phone.hear()
    assert line.slack.control_sockets("drop") == 1
    assert await phone.closed()
    line.slack.control_sockets("stale_tickets", count=1)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await line.open()
    await (await line.greeted()).hang_up()
    with pytest.raises(AssertionError, match="invalid_arguments"):
        line.slack.control_sockets("odd")


async def test_a_socket_lives_for_hours_and_is_warned_before_its_end(line: Line) -> None:
    """Ten seconds before Slack asks for a fresh socket it says so."""
    phone = await line.greeted()
    line.slack.set_clock(advance=18_051)
    assert (await phone.hear())["reason"] == "warning"
    line.slack.set_clock(advance=10)
    assert (await phone.hear())["reason"] == "refresh_requested"
    assert await phone.closed()


async def test_pings_are_answered_unless_the_workspace_is_mute(line: Line) -> None:
    """A client that pings learns whether anybody is there."""
    phone = await line.greeted()
    assert await phone.ping() == b"there?"
    line.slack.control_sockets("mute")
    with pytest.raises(TimeoutError):
        await phone.ping()
    line.slack.control_sockets("enable")
    assert await phone.ping() == b"there?"


async def test_events_are_doubled_mixed_and_repeated_on_demand(line: Line) -> None:
    """The same event may come twice, out of order, and long after its time."""
    phone = await line.greeted()

    async def heard(count: int) -> list[Json]:
        envelopes = [await phone.hear() for _ in range(count)]
        for envelope in envelopes:
            await phone.ack(envelope)
        return [envelope["payload"] for envelope in envelopes]

    line.slack.set_faults(deliveries={"duplicate": 1.0, "copies": 1})
    ts = line.slack.post_message(ADA, GENERAL, "hi")
    first, second = await heard(2)
    assert first["event_id"] == second["event_id"]

    line.slack.set_faults(deliveries={"reorder": 5, "hold": 60.0}, seed=3)
    for number in range(5):
        line.slack.post_message(ADA, GENERAL, str(number))
    words = [one["event"]["text"] for one in await heard(5)]
    assert sorted(words) == list("01234")
    assert words != list("01234")

    line.slack.set_faults(deliveries={"reorder": 2, "hold": 0.1})
    line.slack.redeliver_events(ts)
    envelope = await phone.hear()
    assert (envelope["retry_attempt"], envelope["payload"]["event_id"]) == (1, first["event_id"])
    await phone.ack(envelope)
    line.slack.post_message(ADA, GENERAL, "alone")
    assert [one["event"]["text"] for one in await heard(1)] == ["alone"]
    with pytest.raises(AssertionError, match="message_not_found"):
        line.slack.redeliver_events("1.000000")


async def test_any_event_can_be_sent_by_hand(line: Line) -> None:
    """What Slack sends rarely can be tried at will."""
    phone = await line.greeted()
    line.slack.send_control("event", event={"type": "app_uninstalled"})
    envelope = await phone.hear()
    assert envelope["payload"]["event"]["type"] == "app_uninstalled"
    with pytest.raises(AssertionError, match="invalid_arguments"):
        line.slack.send_control("event", event=3)


async def test_a_command_is_answered_in_its_acknowledgement(line: Line) -> None:
    """What the app says in the acknowledgement is shown to the person alone."""
    phone = await line.greeted()
    typed = asyncio.create_task(
        asyncio.to_thread(line.slack.post_message, ADA, GENERAL, "/starchat help")
    )
    envelope = await phone.hear()
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
    assert (envelope["payload"]["command"], envelope["payload"]["text"]) == ("/starchat", "help")
    await phone.ack(envelope, payload={"text": "Ask me."})
    await typed
    [whisper] = line.slack.read_messages(GENERAL)
    assert (whisper["text"], whisper["user"]) == ("Ask me.", STARCHAT)
    assert line.slack.read_messages(GENERAL, user="U0LIN00001") == []
