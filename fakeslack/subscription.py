"""What the app has subscribed to: every change becomes its events, sent, kept, sent again."""

from collections import deque

from fakeslack.changes import Change
from fakeslack.delivery import Delivery, Parcel
from fakeslack.errors import Json
from fakeslack.events import Events

KEPT = 5_000


class Subscription:
    """Listens to the workspace on behalf of the app."""

    def __init__(self, events: Events, delivery: Delivery) -> None:
        self._events = events
        self._delivery = delivery
        self._sent: deque[Json] = deque(maxlen=KEPT)

    def hear(self, change: Change) -> None:
        """Send the events of a change to the app."""
        for event in self._events.of(change):
            payload = self._events.callback(event)
            self._sent.append(payload)
            self._delivery.send(Parcel("events_api", payload))

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
