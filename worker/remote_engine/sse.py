"""Reader of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from typing import Final

MAX_EVENT_BYTES: Final = 1024 * 1024
"""Largest event; the largest known one repeats a prompt of 8,192 ids."""


class EventTooLongError(ValueError):
    """An event exceeds `MAX_EVENT_BYTES`."""


class SseParser:
    """Parser that is fed bytes and returns the data of complete events. Linear in the input."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._searched = 0
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of each event that ends in `chunk`. Raises `EventTooLongError`."""
        self._pending += chunk
        events, start = [], 0
        while (end := self._pending.find(b"\n", max(start, self._searched))) >= 0:
            event = self._read_line(bytes(self._pending[start:end]).removesuffix(b"\r"))
            if event is not None:
                events.append(event)
            start = end + 1
        del self._pending[:start]
        self._searched = len(self._pending)
        if len(self._pending) + self._data_bytes > MAX_EVENT_BYTES:
            raise EventTooLongError(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return events

    def _read_line(self, line: bytes) -> bytes | None:
        if not line:
            event, self._data, self._data_bytes = b"\n".join(self._data), [], 0
            return event or None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            # The line break counts, so that empty lines are bounded too.
            self._data_bytes += len(value) + 1
        return None
