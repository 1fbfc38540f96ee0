"""Event dispatcher: turns each change into the subscribed events and sends them to the app."""

import asyncio
from collections import deque

from fakeslack.delivery.events import EventBuilder
from fakeslack.delivery.faults import FaultInjector
from fakeslack.delivery.transport import Envelope, EnvelopeSender
from fakeslack.errors import Json
from fakeslack.state.changes import Change

MAX_SENT_EVENTS = 5_000


class EventDispatcher:
    """Listener that sends the app's events; it keeps the latest payloads for redelivery."""

    def __init__(
        self, event_builder: EventBuilder, sender: EnvelopeSender, fault_injector: FaultInjector
    ) -> None:
        self._event_builder = event_builder
        self._sender = sender
        self._fault_injector = fault_injector
        self._sent_payloads: deque[Json] = deque(maxlen=MAX_SENT_EVENTS)
        self._buffer: list[Envelope] = []

    def dispatch_change(self, change: Change) -> None:
        """Send the events of a change to the app."""
        for event in self._event_builder.build_events(change):
            self.send_event(event)

    def send_event(self, event: Json) -> str:
        """Send one inner event to the app; return its event id."""
        payload = self._event_builder.build_callback(event)
        self._sent_payloads.append(payload)
        for _ in range(self._fault_injector.draw_copies()):
            self._buffer_envelope(Envelope("events_api", payload))
        return str(payload["event_id"])

    def redeliver_events(self, ts: str, event_type: str | None = None) -> int:
        """Send the events of the message at `ts` again; return their number."""
        payloads = [
            payload
            for payload in self._sent_payloads
            if payload["event"].get("ts") == ts and event_type in {None, payload["event"]["type"]}
        ]
        for payload in payloads:
            self._sender.send_in_background(
                Envelope("events_api", payload, attempt=1, retry_reason="timeout")
            )
        return len(payloads)

    def _buffer_envelope(self, envelope: Envelope) -> None:
        self._buffer.append(envelope)
        delivery_faults = self._fault_injector.delivery_faults
        if len(self._buffer) >= delivery_faults.reorder:
            self._flush_buffer()
        elif len(self._buffer) == 1:
            asyncio.get_running_loop().call_later(delivery_faults.hold, self._flush_buffer)

    def _flush_buffer(self) -> None:
        envelopes, self._buffer = self._buffer, []
        shuffled = (
            self._fault_injector.shuffle_deliveries(envelopes) if len(envelopes) > 1 else envelopes
        )
        for envelope in shuffled:
            self._sender.send_in_background(envelope)
