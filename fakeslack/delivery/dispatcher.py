"""What the app has subscribed to: every change becomes its events, sent, kept, sent again."""

import asyncio
from collections import deque

from fakeslack.delivery.events import Events
from fakeslack.delivery.faults import Faults
from fakeslack.delivery.transport import Delivery, Parcel
from fakeslack.errors import Json
from fakeslack.state.changes import Change

KEPT = 5_000


class Subscription:
    """Listens to the workspace on behalf of the app."""

    def __init__(self, events: Events, delivery: Delivery, faults: Faults) -> None:
        self._events = events
        self._delivery = delivery
        self._faults = faults
        self._sent: deque[Json] = deque(maxlen=KEPT)
        self._held: list[Parcel] = []

    def hear(self, change: Change) -> None:
        """Send the events of a change to the app."""
        for event in self._events.of(change):
            self.tell(event)

    def tell(self, event: Json) -> str:
        """Send one inner event to the app; returns the event's id."""
        payload = self._events.callback(event)
        self._sent.append(payload)
        for _ in range(self._faults.copies()):
            self._hold(Parcel("events_api", payload))
        return str(payload["event_id"])

    def redeliver(self, ts: str, event_type: str | None = None) -> int:
        """Send the events of the message at `ts` once more; returns how many there are."""
        again = [
            payload
            for payload in self._sent
            if payload["event"].get("ts") == ts and event_type in {None, payload["event"]["type"]}
        ]
        for payload in again:
            self._delivery.send(Parcel("events_api", payload, attempt=1, reason="timeout"))
        return len(again)

    def _hold(self, parcel: Parcel) -> None:
        self._held.append(parcel)
        deliveries = self._faults.deliveries
        if len(self._held) >= deliveries.reorder:
            self._let_go()
        elif len(self._held) == 1:
            asyncio.get_running_loop().call_later(deliveries.hold, self._let_go)

    def _let_go(self) -> None:
        held, self._held = self._held, []
        order = self._faults.shuffled(held) if len(held) > 1 else held
        for parcel in order:
            self._delivery.send(parcel)
