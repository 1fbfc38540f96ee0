"""A clock that tests may hurry: waits and lifetimes run on it, timestamps stay real."""

import asyncio
import time


class Clock:
    """Seconds that pass `speed` times as fast as real ones, and can be moved forward at will."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._real = time.monotonic()
        self._seconds = 0.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Seconds since the clock was made, on this clock."""
        return self._seconds + (time.monotonic() - self._real) * self._speed

    def change(self, *, speed: float | None = None, advance: float = 0.0) -> None:
        """Move forward by `advance` seconds and run at `speed` from now on; sleepers notice."""
        self._seconds = self.now() + advance
        self._real = time.monotonic()
        self._speed = speed or self._speed
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` on this clock, however it is moved meanwhile."""
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            try:
                await asyncio.wait_for(self._moved.wait(), left / self._speed)
            except TimeoutError:
                continue
