"""Delivery over Socket Mode: acknowledgements, retries and delivery faults."""

import asyncio
import itertools
from typing import Any

import pytest

from testing.workspace import ADA, GENERAL, STARCHAT
from tests.fakeslack.delivery.conftest import ACK_SECONDS, SocketOpener

Json = dict[str, Any]


async def test_an_acknowledged_event_is_not_sent_again(opener: SocketOpener) -> None:
    """The journal records the time of the acknowledgement."""
    socket = await opener.open_greeted_socket()
    ts = opener.slack.post_message(ADA, GENERAL, "hi")
    envelope = await socket.receive_message()
    assert envelope["payload"]["event"]["ts"] == ts
    assert (envelope["retry_attempt"], envelope["retry_reason"]) == (0, "")
    assert not envelope["accepts_response_payload"]
    await socket.send_frame("not json")
    await socket.send_frame("[]")
    await socket.acknowledge_envelope(envelope)
    await socket.expect_silence(2 * ACK_SECONDS)
    [sent] = opener.slack.delivery_attempts(ts)
    assert sent["acked_at"] >= sent["sent_at"]
    assert (sent["type"], sent["event_type"], sent["attempt"]) == ("events_api", "message", 0)


async def test_an_unacknowledged_event_is_retried_three_times(opener: SocketOpener) -> None:
    """Retries come at once, after one minute and after five more."""
    opener.slack.set_clock(speed=600)
    socket = await opener.open_greeted_socket()
    ts = opener.slack.post_message(ADA, GENERAL, "hi")
    seen = [await socket.receive_message() for _ in range(4)]
    await socket.expect_silence(2 * ACK_SECONDS)
    assert [one["retry_attempt"] for one in seen] == [0, 1, 2, 3]
    assert [one["retry_reason"] for one in seen[1:]] == ["timeout"] * 3
    assert len({one["payload"]["event_id"] for one in seen}) == 1
    assert len({one["envelope_id"] for one in seen}) == 4
    sent = opener.slack.delivery_attempts(ts)
    assert [one["failure"] for one in sent] == ["timeout"] * 4
    gaps = [later["sent_at"] - earlier["sent_at"] for earlier, later in itertools.pairwise(sent)]
    for gap, minutes in zip(gaps, (0, 1, 5), strict=True):
        assert gap >= ACK_SECONDS + minutes * 60 / 600


async def test_a_late_acknowledgement_is_ignored(opener: SocketOpener) -> None:
    """The event is sent again although its acknowledgement came too late."""
    socket = await opener.open_greeted_socket()
    opener.slack.post_message(ADA, GENERAL, "hi")
    first = await socket.receive_message()
    second = await socket.receive_message()
    await socket.acknowledge_envelope(first)
    await socket.acknowledge_envelope(second)
    opener.slack.set_clock(advance=1_000)
    await socket.expect_silence()


async def test_events_without_a_socket_are_retried(opener: SocketOpener) -> None:
    """An event without an open socket is delivered by the retry after a minute."""
    ts = opener.slack.post_message(ADA, GENERAL, "hi")
    socket = await opener.open_greeted_socket()
    await socket.expect_silence()
    opener.slack.set_clock(advance=60)
    envelope = await socket.receive_message()
    assert (envelope["retry_attempt"], envelope["retry_reason"]) == (2, "connection_failed")
    await socket.acknowledge_envelope(envelope)
    assert envelope["payload"]["event"]["ts"] == ts


async def test_events_are_duplicated_reordered_and_redelivered(opener: SocketOpener) -> None:
    """Delivery faults duplicate and reorder events; a test can redeliver old ones."""
    socket = await opener.open_greeted_socket()

    async def receive_envelopes(count: int) -> list[Json]:
        envelopes = [await socket.receive_message() for _ in range(count)]
        for envelope in envelopes:
            await socket.acknowledge_envelope(envelope)
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
    envelope = await socket.receive_message()
    assert (envelope["retry_attempt"], envelope["payload"]["event_id"]) == (1, first["event_id"])
    await socket.acknowledge_envelope(envelope)
    opener.slack.post_message(ADA, GENERAL, "alone")
    assert [one["event"]["text"] for one in await receive_envelopes(1)] == ["alone"]
    with pytest.raises(AssertionError, match="message_not_found"):
        opener.slack.redeliver_events("1.000000")


async def test_a_test_can_send_any_event(opener: SocketOpener) -> None:
    """The control API sends any inner event to the app."""
    socket = await opener.open_greeted_socket()
    opener.slack.send_control("event", event={"type": "app_uninstalled"})
    envelope = await socket.receive_message()
    assert envelope["payload"]["event"]["type"] == "app_uninstalled"
    with pytest.raises(AssertionError, match="invalid_arguments"):
        opener.slack.send_control("event", event=3)


async def test_a_commands_acknowledgement_is_shown_as_ephemeral(opener: SocketOpener) -> None:
    """The acknowledgement's text is visible to the person alone."""
    socket = await opener.open_greeted_socket()
    typed = asyncio.create_task(
        asyncio.to_thread(opener.slack.post_message, ADA, GENERAL, "/starchat help")
    )
    envelope = await socket.receive_message()
    assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
    assert (envelope["payload"]["command"], envelope["payload"]["text"]) == ("/starchat", "help")
    await socket.acknowledge_envelope(envelope, payload={"text": "Ask me."})
    await typed
    [ephemeral] = opener.slack.read_messages(GENERAL)
    assert (ephemeral["text"], ephemeral["user"]) == ("Ask me.", STARCHAT)
    assert opener.slack.read_messages(GENERAL, user="U0LIN00001") == []
