"""Lets one thread at a time do what concerns one thing: Slack sends a mention twice, at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class KeyedLock:
    """A lock for each name that somebody holds, and for no other."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Wait until nobody else holds `name`."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._guard:
                if not lock.locked():
                    self._locks.pop(key, None)

    def wait_until_free(self, key: str) -> bool:
        """Wait until nobody holds `name`, and say whether somebody did."""
        with self._guard:
            is_held = key in self._locks
        if is_held:
            with self.hold(key):
                pass
        return is_held
