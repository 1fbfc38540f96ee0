"""Delivery over Socket Mode: acknowledgements, retries and delivery faults."""

import asyncio
import itertools
from typing import Any

import pytest

from testing.workspace import ADA, GENERAL, STARCHAT
from tests.fakeslack.delivery.conftest import ACK_SECONDS, SocketOpener

Json = dict[str, Any]


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
