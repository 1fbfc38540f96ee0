"""A clock that tests may hurry or set wrong: waits and lifetimes run on it, and timestamps."""

import asyncio
import heapq
import itertools
import time


class Clock:
    """
    Seconds that pass `speed` times as fast as real ones, and can be moved forward at will.

    The time of day, which timestamps are made of, goes at its own pace, and may be `ahead` of the
    machine's by some seconds.
    """

    def __init__(self, speed: float = 1.0, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self._speed = speed
        self._real = time.monotonic()
        self._seconds = 0.0
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._alarm: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Seconds since the clock was made, on this clock."""
        return self._seconds + (time.monotonic() - self._real) * self._speed

    def today(self) -> float:
        """Seconds since the epoch, as Slack would say."""
        return time.time() + self.ahead

    def change(self, *, speed: float | None = None, advance: float = 0.0) -> None:
        """Move forward by `advance` seconds and run at `speed` from now on; sleepers notice."""
        self._seconds = self.now() + advance
        self._real = time.monotonic()
        self._speed = speed or self._speed
        self._ring()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` on this clock, however it is moved meanwhile."""
        if seconds <= 0:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self.now() + seconds, next(self._numbers), woken)
        heapq.heappush(self._sleepers, sleeper)
        if self._sleepers[0] is sleeper:
            self._ring()
        await woken

    def _ring(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._sleepers and self._sleepers[0][0] <= self.now():
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
        if self._sleepers:
            left = (self._sleepers[0][0] - self.now()) / self._speed
            self._alarm = asyncio.get_running_loop().call_later(left, self._ring)
