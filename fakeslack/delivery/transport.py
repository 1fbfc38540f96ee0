"""Delivery of envelopes to the app: background sending, retries, and a record of each attempt."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from fakeslack.clock import SimulatedClock
from fakeslack.delivery.journal import DeliveryRecord, Journal
from fakeslack.errors import Json

log = structlog.get_logger()

RETRY_DELAYS_SECONDS = (0.0, 60.0, 300.0)
"""Simulated seconds before the first, second and third retry."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One delivery; `kind` is Slack's type, such as `events_api`."""

    kind: str
    payload: Json
    attempt: int = 0
    retry_reason: str = ""
    envelope_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def has_retries(self) -> bool:
        """Whether Slack delivers it again if no acknowledgement arrives."""
        return self.kind == "events_api"

    @property
    def accepts_response_payload(self) -> bool:
        """Whether the acknowledgement may carry a payload."""
        answered = {"view_submission", "block_suggestion"}
        return self.kind == "slash_commands" or self.payload.get("type") in answered

    def next_attempt(self, retry_reason: str) -> "Envelope":
        """Return the next attempt at the same delivery."""
        return Envelope(self.kind, self.payload, self.attempt + 1, retry_reason)


class UndeliveredError(Exception):
    """No acknowledgement arrived; `reason` is Slack's name for the cause."""

    def __init__(self, reason: str, *, no_retry: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.no_retry = no_retry


class Transport(Protocol):
    """A connection to the app: Socket Mode or HTTP mode."""

    @property
    def has_connection(self) -> bool:
        """Whether the app is reachable by this transport."""
        ...

    async def deliver(self, envelope: Envelope, timeout_seconds: float) -> Json:
        """
        Send `envelope`; return the acknowledgement's payload.

        Raises UndeliveredError if none arrives within `timeout_seconds` real seconds.
        """
        ...


class EnvelopeSender:
    """Sender of envelopes by the current transport; it retries events and records each attempt."""

    def __init__(
        self,
        transport: Transport,
        clock: SimulatedClock,
        journal: Journal,
        ack_seconds: float = 3.0,
    ) -> None:
        """Deliver by `transport`; the app has `ack_seconds` real seconds to acknowledge."""
        self.transport = transport
        self.ack_seconds = ack_seconds
        self._clock = clock
        self._journal = journal
        self._pending_tasks: set[asyncio.Task[None]] = set()

    def send_in_background(self, envelope: Envelope) -> None:
        """Start a task that delivers with retries."""
        task = asyncio.get_running_loop().create_task(self._deliver_with_retries(envelope))
        self._pending_tasks.add(task)
        task.add_done_callback(self._pending_tasks.discard)

    async def deliver_once(self, envelope: Envelope) -> Json:
        """Deliver once; return the acknowledgement's payload. Raises UndeliveredError."""
        record = _delivery_record(envelope)
        self._journal.open_delivery(record)
        try:
            answer = await self.transport.deliver(envelope, self.ack_seconds)
        except UndeliveredError as error:
            self._journal.close_delivery(record, error.reason)
            raise
        self._journal.close_delivery(record)
        return answer

    async def cancel_pending(self) -> None:
        """Cancel all deliveries in progress."""
        for task in list(self._pending_tasks):
            task.cancel()
        await asyncio.gather(*self._pending_tasks, return_exceptions=True)

    async def _deliver_with_retries(self, envelope: Envelope) -> None:
        while True:
            try:
                await self.deliver_once(envelope)
            except UndeliveredError as error:
                if (
                    error.no_retry
                    or not envelope.has_retries
                    or envelope.attempt >= len(RETRY_DELAYS_SECONDS)
                ):
                    log.info("delivery failed", kind=envelope.kind, reason=error.reason)
                    return
                await self._clock.sleep(RETRY_DELAYS_SECONDS[envelope.attempt])
                envelope = envelope.next_attempt(error.reason)
            else:
                return


def _delivery_record(envelope: Envelope) -> DeliveryRecord:
    inner = envelope.payload.get("event", {})
    item = inner.get("item", {})
    changed_message = inner.get("message") if inner.get("subtype") == "message_changed" else None
    return DeliveryRecord(
        envelope_id=envelope.envelope_id,
        type=envelope.kind,
        event_type=inner.get("type") or envelope.payload.get("type") or envelope.kind,
        event_id=envelope.payload.get("event_id"),
        channel=inner.get("channel") or item.get("channel"),
        ts=inner.get("ts") or inner.get("deleted_ts") or item.get("ts"),
        attempt=envelope.attempt,
        reason=envelope.retry_reason,
        sent_at=time.monotonic(),
        changed_ts=changed_message["ts"] if changed_message else None,
    )
