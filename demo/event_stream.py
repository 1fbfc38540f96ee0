"""Hears what happens on the page, change by change, and lets whoever waits look up in between."""

import json
import queue
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any, Final, Self
from urllib.parse import urlsplit

Json = dict[str, Any]

CONNECT_TIMEOUT_SECONDS: Final = 20.0
"""Seconds to connect and to be let in."""
IDLE_INTERVAL_SECONDS: Final = 0.5
"""Seconds after which somebody who waits is told that nothing has happened."""


class EventStream:
    """Server-sent events from `address` + `path`, heard from the moment the block is entered."""

    def __init__(self, address: str, path: str) -> None:
        """Point at the stream; nothing is opened yet."""
        self._connection = HTTPConnection(
            str(urlsplit(address).netloc), timeout=CONNECT_TIMEOUT_SECONDS
        )
        self._path = path
        self._changes: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read_events, daemon=True)

    def __enter__(self) -> Self:
        """Connect and listen. Raises `OSError` where nobody serves the stream."""
        self._connection.request("GET", self._path)
        self._response = self._connection.getresponse()
        self._response.readline()  # the greeting: it listens from here on
        if self._connection.sock is None:
            raise ConnectionError("the page offers no stream")
        self._connection.sock.settimeout(None)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up; the reader notices by itself."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join(CONNECT_TIMEOUT_SECONDS)
        self._response.close()
        self._connection.close()

    def iterate_changes(self) -> Iterator[Json | None]:
        """Yield each change, and `None` whenever nothing came for a moment; ends with the page."""
        while True:
            try:
                change = self._changes.get(timeout=IDLE_INTERVAL_SECONDS)
            except queue.Empty:
                yield None
                continue
            if change is None:
                return
            yield change

    def _read_events(self) -> None:
        try:
            for line in self._response:
                if line.startswith(b"data: "):
                    self._changes.put(json.loads(line.removeprefix(b"data: ")))
        except (OSError, HTTPException):
            pass
        finally:
            self._changes.put(None)
