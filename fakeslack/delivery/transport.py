"""Brings events and actions to the app, again and again where it does not acknowledge in time."""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from fakeslack.clock import Clock
from fakeslack.delivery.journal import Envelope, Journal
from fakeslack.errors import Json

log = structlog.get_logger()

GAPS = (0.0, 60.0, 300.0)
"""Seconds on the clock before the first, second and third repetition."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is delivered: `kind` is Slack's name for it, such as `events_api`."""

    kind: str
    payload: Json
    attempt: int = 0
    reason: str = ""
    envelope_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def repeats(self) -> bool:
        """Whether Slack delivers it again when nobody acknowledges."""
        return self.kind == "events_api"

    @property
    def answers(self) -> bool:
        """Whether the acknowledgement may carry a payload."""
        return self.kind == "slash_commands" or self.payload.get("type") == "view_submission"

    def again(self, reason: str) -> "Parcel":
        """Return the next attempt at the same delivery."""
        return Parcel(self.kind, self.payload, self.attempt + 1, reason)


class UndeliveredError(Exception):
    """Nobody took the parcel; `reason` is Slack's word for why."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class Carrier(Protocol):
    """A way to the app: a socket or a request URL."""

    @property
    def connected(self) -> bool:
        """Whether the app can be reached this way."""
        ...

    async def carry(self, parcel: Parcel, within: float) -> Json:
        """Deliver, wait `within` real seconds for the acknowledgement and return its payload."""
        ...


class Delivery:
    """Sends parcels by the carrier, repeats events, and writes down each attempt."""

    def __init__(self, carrier: Carrier, clock: Clock, journal: Journal, ack: float = 3.0) -> None:
        """Deliver by `carrier`; `ack` is how many real seconds the app has to acknowledge."""
        self.carrier = carrier
        self.ack = ack
        self._clock = clock
        self._journal = journal
        self._under_way: set[asyncio.Task[None]] = set()

    def send(self, parcel: Parcel) -> None:
        """Deliver in the background."""
        task = asyncio.get_running_loop().create_task(self._persist(parcel))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def ask(self, parcel: Parcel) -> Json:
        """Deliver once and return the payload of the acknowledgement; raises UndeliveredError."""
        envelope = _envelope(parcel)
        self._journal.sent(envelope)
        try:
            answer = await self.carrier.carry(parcel, self.ack)
        except UndeliveredError as why:
            self._journal.settled(envelope, why.reason)
            raise
        self._journal.settled(envelope)
        return answer

    async def close(self) -> None:
        """Give up everything that is under way."""
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _persist(self, parcel: Parcel) -> None:
        while True:
            try:
                await self.ask(parcel)
            except UndeliveredError as why:
                if why.final or not parcel.repeats or parcel.attempt >= len(GAPS):
                    log.info("given up", kind=parcel.kind, reason=why.reason)
                    return
                await self._clock.sleep(GAPS[parcel.attempt])
                parcel = parcel.again(why.reason)
            else:
                return


def _envelope(parcel: Parcel) -> Envelope:
    inner = parcel.payload.get("event", {})
    item = inner.get("item", {})
    changed = inner.get("message") if inner.get("subtype") == "message_changed" else None
    return Envelope(
        envelope_id=parcel.envelope_id,
        type=parcel.kind,
        event_type=inner.get("type") or parcel.payload.get("type") or parcel.kind,
        event_id=parcel.payload.get("event_id"),
        channel=inner.get("channel") or item.get("channel"),
        ts=inner.get("ts") or inner.get("deleted_ts") or item.get("ts"),
        attempt=parcel.attempt,
        reason=parcel.reason,
        sent_at=time.monotonic(),
        changes=changed["ts"] if changed else None,
    )
