"""Lets one thread at a time do what concerns one thing: Slack sends a mention twice, at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Alone:
    """A lock for each name that somebody holds, and for no other."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Wait until nobody else holds `name`."""
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._guard:
                if not lock.locked():
                    self._locks.pop(name, None)

    def wait(self, name: str) -> bool:
        """Wait until nobody holds `name`, and say whether somebody did."""
        with self._guard:
            held = name in self._locks
        if held:
            with self.holding(name):
                pass
        return held
