"""
Spare slots: free slots of the engine that candidates use until a question needs them.

A candidate never waits for a slot. The newest one is given up first.
"""

import asyncio


class SpareSlots:
    """The tasks of candidates that hold slots, by request; `None` until a task is assigned."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._holders: dict[str, asyncio.Task[None] | None] = {}

    def __len__(self) -> int:
        return len(self._holders)

    async def take_slot(self, request_id: str) -> bool:
        """Hold a slot for a candidate, if one is free and no question waits for it."""
        if self._slots.locked():
            return False
        # A semaphore that is not locked returns at once.
        await self._slots.acquire()
        self._holders[request_id] = None
        return True

    def assign_task(self, request_id: str, task: asyncio.Task[None]) -> None:
        """Name the task that generates a candidate; it is cancelled if its slot is given up."""
        self._holders[request_id] = task

    def release_slot(self, request_id: str) -> None:
        """Release the slot of a candidate that has ended; no-op if it was given up."""
        if request_id in self._holders:
            del self._holders[request_id]
            self._slots.release()

    async def give_up_one(self) -> None:
        """
        End the newest candidate, if no slot is free, so that a question gets its slot.

        The task is cancelled, since the engine may not know its request yet. A task that runs
        closes its stream, which aborts the request.
        """
        if self._holders and self._slots.locked():
            _, task = self._holders.popitem()
            if task is not None:
                task.cancel()
                # The engine hears of the abort before it hears of the question.
                await asyncio.sleep(0)
            self._slots.release()
