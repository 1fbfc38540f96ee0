"""Watch over work in progress, for a liveness check that depends on nothing outside the process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

MAX_SECONDS_WITHOUT_PROGRESS: Final = 600.0
"""Seconds without the end of any work after which it counts as stuck: longer than any timeout."""


class ProgressWatch:
    """Counts work in progress, and notices if none of it ends any more. Thread-safe."""

    def __init__(
        self,
        max_seconds: float = MAX_SECONDS_WITHOUT_PROGRESS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` returns seconds of a clock that never goes back."""
        self._max_seconds = max_seconds
        self._now = now
        self._lock = threading.Lock()
        self._num_started = 0
        self._last_progress_at = now()

    def start_work(self) -> None:
        """Count one piece of work from now on, its wait for a thread included."""
        with self._lock:
            if not self._num_started:
                self._last_progress_at = self._now()
            self._num_started += 1

    def end_work(self) -> None:
        """Count the end of one piece of work."""
        with self._lock:
            self._num_started -= 1
            self._last_progress_at = self._now()

    @contextmanager
    def watch_work(self) -> Iterator[None]:
        """Count a piece of work until the context ends."""
        self.start_work()
        try:
            yield
        finally:
            self.end_work()

    def is_stuck(self) -> bool:
        """Return whether work is in progress and none has ended for too long."""
        with self._lock:
            waited = self._now() - self._last_progress_at
            return self._num_started > 0 and waited >= self._max_seconds
