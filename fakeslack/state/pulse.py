"""Counts whatever happens in the workspace, for whoever sleeps until something does."""

import asyncio


class Pulse:
    """One beat for each change, call and delivery; a sleeper gives the count it has seen."""

    def __init__(self) -> None:
        self.beats = 0
        self.stopped = False
        self._more = asyncio.Event()

    def beat(self) -> None:
        """Count what has happened and wake everybody who waits."""
        self.beats += 1
        self._wake()

    def stop(self) -> None:
        """Nothing more will happen: let everybody go who waits."""
        self.stopped = True
        self._wake()

    async def beyond(self, number: int) -> None:
        """Return when more than `number` beats are counted, or the pulse has stopped."""
        while self.beats <= number and not self.stopped:
            await self._more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()
