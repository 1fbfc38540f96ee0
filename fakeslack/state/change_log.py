"""Change log: the latest changes of the workspace, numbered, and a counter of all activity."""

import asyncio
import itertools
from collections import deque

from fakeslack.state.changes import Change

DEFAULT_MAX_CHANGES = 20_000


class ActivityCounter:
    """
    Counter of changes, calls and deliveries.

    A waiter passes the count that it has seen and wakes when the count is higher.
    """

    def __init__(self) -> None:
        self.count = 0
        self.is_stopped = False
        self._event = asyncio.Event()

    def record_activity(self) -> None:
        """Count one change, call or delivery and wake every waiter."""
        self.count += 1
        self._wake_waiters()

    def stop_waiting(self) -> None:
        """Release every waiter, because the workspace shuts down."""
        self.is_stopped = True
        self._wake_waiters()

    async def wait_for_activity(self, number: int) -> None:
        """Return when `count` exceeds `number` or the counter is stopped."""
        while self.count <= number and not self.is_stopped:
            await self._event.wait()

    def _wake_waiters(self) -> None:
        self._event.set()
        self._event = asyncio.Event()


class ChangeLog:
    """The latest `max_changes` changes; a reader may start at any number that is still kept."""

    def __init__(self, activity: ActivityCounter, max_changes: int = DEFAULT_MAX_CHANGES) -> None:
        self._changes: deque[Change] = deque(maxlen=max_changes)
        self._next_number = 0
        self._activity = activity

    @property
    def is_log_closed(self) -> bool:
        """Whether the workspace has shut down, so that no change follows."""
        return self._activity.is_stopped

    @property
    def next_number(self) -> int:
        """The number of the next change."""
        return self._next_number

    @property
    def first_number(self) -> int:
        """The number of the oldest change that is still kept."""
        return self._next_number - len(self._changes)

    def append_change(self, change: Change) -> None:
        """Append a change and wake every waiter."""
        self._changes.append(change)
        self._next_number += 1
        self._activity.record_activity()

    def changes_since(self, number: int) -> list[tuple[int, Change]]:
        """Return the kept changes numbered `number` and later, each with its number."""
        num_skipped = max(0, number - self.first_number)
        changes = itertools.islice(self._changes, num_skipped, None)
        return list(enumerate(changes, self.first_number + num_skipped))

    async def wait_for_change(self, number: int) -> None:
        """Return when the change numbered `number` exists or the log is closed."""
        while self._next_number <= number and not self.is_log_closed:
            await self._activity.wait_for_activity(self._activity.count)
