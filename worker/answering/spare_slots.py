"""
Spare slots: free slots of the engine that candidates use until a question needs them.

A candidate never waits for a slot. The newest one is given up first.
"""

import asyncio
from collections.abc import Callable


class SpareSlots:
    """The requests of candidates that hold slots. `stop_request` ends one at the engine."""

    def __init__(self, slots: asyncio.Semaphore, stop_request: Callable[[str], None]) -> None:
        self._slots = slots
        self._stop_request = stop_request
        self._holders: list[str] = []

    def __len__(self) -> int:
        return len(self._holders)

    async def take_slot(self, request_id: str) -> bool:
        """Hold a slot for a candidate, if one is free and no question waits for it."""
        if self._slots.locked():
            return False
        # A semaphore that is not locked returns at once.
        await self._slots.acquire()
        self._holders.append(request_id)
        return True

    def release_slot(self, request_id: str) -> None:
        """Release the slot of a candidate that has ended; no-op if it was given up."""
        if request_id in self._holders:
            self._holders.remove(request_id)
            self._slots.release()

    def give_up_one(self) -> None:
        """End the newest candidate, if no slot is free, so that a question gets its slot."""
        if self._holders and self._slots.locked():
            self._stop_request(self._holders.pop())
            self._slots.release()
