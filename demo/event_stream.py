"""Server-sent events of the workspace page, with a periodic tick while the stream is idle."""

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
"""Seconds to connect and to read the greeting."""
IDLE_INTERVAL_SECONDS: Final = 0.5
"""Seconds of idle time after which the iterator yields `None`."""


class EventStream:
    """Server-sent events from `address` + `path`, received from entering the `with` block."""

    def __init__(self, address: str, path: str) -> None:
        """Prepare the connection; open nothing yet."""
        self._connection = HTTPConnection(
            str(urlsplit(address).netloc), timeout=CONNECT_TIMEOUT_SECONDS
        )
        self._path = path
        self._changes: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read_events, daemon=True)

    def __enter__(self) -> Self:
        """Connect and start the reader thread. Raises `OSError` if no server answers."""
        self._connection.request("GET", self._path)
        self._response = self._connection.getresponse()
        self._response.readline()  # the greeting: the server queues events from here on
        if self._connection.sock is None:
            raise ConnectionError("the page has no event stream")
        self._connection.sock.settimeout(None)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection, which ends the reader thread."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._reader.join(CONNECT_TIMEOUT_SECONDS)
        self._response.close()
        self._connection.close()

    def iterate_changes(self) -> Iterator[Json | None]:
        """Yield each change, and `None` whenever the stream is idle; end with the connection."""
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
