"""Simulated clock: tests speed up, advance or skew all delays, lifetimes and timestamps."""

import asyncio
import heapq
import itertools
import time


class SimulatedClock:
    """
    Clock whose seconds pass `speed` times as fast as real ones.

    The time of day runs at real speed. It is `ahead_seconds` ahead of the machine's clock.
    """

    def __init__(self, speed: float = 1.0, ahead_seconds: float = 0.0) -> None:
        self.ahead_seconds = ahead_seconds
        self._speed = speed
        self._real_start = time.monotonic()
        self._elapsed_at_start = 0.0
        self._sleeper_numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def elapsed_seconds(self) -> float:
        """Return simulated seconds since the clock was created."""
        return self._elapsed_at_start + (time.monotonic() - self._real_start) * self._speed

    def epoch_seconds(self) -> float:
        """Return Slack's time of day in seconds since the epoch."""
        return time.time() + self.ahead_seconds

    def adjust_clock(self, *, speed: float | None = None, advance: float = 0.0) -> None:
        """Advance by `advance` seconds, then run at `speed`; sleepers wake at their new times."""
        self._elapsed_at_start = self.elapsed_seconds() + advance
        self._real_start = time.monotonic()
        self._speed = speed or self._speed
        self._wake_due_sleepers()

    async def sleep(self, seconds: float) -> None:
        """Sleep for simulated `seconds`, however the clock is adjusted until then."""
        if seconds <= 0:
            return
        wake_future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self.elapsed_seconds() + seconds, next(self._sleeper_numbers), wake_future)
        heapq.heappush(self._sleepers, sleeper)
        if self._sleepers[0] is sleeper:
            self._wake_due_sleepers()
        await wake_future

    def _wake_due_sleepers(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._sleepers and self._sleepers[0][0] <= self.elapsed_seconds():
            _, _, wake_future = heapq.heappop(self._sleepers)
            if not wake_future.done():
                wake_future.set_result(None)
        if self._sleepers:
            left = (self._sleepers[0][0] - self.elapsed_seconds()) / self._speed
            self._timer = asyncio.get_running_loop().call_later(left, self._wake_due_sleepers)
