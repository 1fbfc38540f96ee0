"""Counts whatever happens in the workspace, for whoever sleeps until something does."""

import asyncio


class ActivityCounter:
    """One beat for each change, call and delivery; a sleeper gives the count it has seen."""

    def __init__(self) -> None:
        self.count = 0
        self.is_stopped = False
        self._event = asyncio.Event()

    def record_activity(self) -> None:
        """Count what has happened and wake everybody who waits."""
        self.count += 1
        self._wake_waiters()

    def stop_waiting(self) -> None:
        """Nothing more will happen: let everybody go who waits."""
        self.is_stopped = True
        self._wake_waiters()

    async def wait_for_activity(self, number: int) -> None:
        """Return when more than `number` beats are counted, or the pulse has stopped."""
        while self.count <= number and not self.is_stopped:
            await self._event.wait()

    def _wake_waiters(self) -> None:
        self._event.set()
        self._event = asyncio.Event()
