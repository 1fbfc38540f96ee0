"""Everything that happens, numbered, for pages that listen and tests that wait."""

import itertools
from collections import deque

from fakeslack.state.changes import Change
from fakeslack.state.pulse import ActivityCounter

DEFAULT_MAX_CHANGES = 20_000


class ChangeLog:
    """The last changes of the workspace; whoever reads may start at any number still kept."""

    def __init__(self, activity: ActivityCounter, max_changes: int = DEFAULT_MAX_CHANGES) -> None:
        self._changes: deque[Change] = deque(maxlen=max_changes)
        self._next_number = 0
        self._activity = activity

    @property
    def is_log_closed(self) -> bool:
        """Whether nothing more will happen."""
        return self._activity.is_stopped

    @property
    def next_number(self) -> int:
        """The number that the next change will have."""
        return self._next_number

    @property
    def first_number(self) -> int:
        """The number of the oldest change that is still kept."""
        return self._next_number - len(self._changes)

    def append_change(self, change: Change) -> None:
        """Add a change and wake everybody who waits for one."""
        self._changes.append(change)
        self._next_number += 1
        self._activity.record_activity()

    def changes_since(self, number: int) -> list[tuple[int, Change]]:
        """Return the changes numbered `number` and later, as far as they are still kept."""
        num_skipped = max(0, number - self.first_number)
        changes = itertools.islice(self._changes, num_skipped, None)
        return list(enumerate(changes, self.first_number + num_skipped))

    async def wait_for_change(self, number: int) -> None:
        """Return when the change numbered `number` has happened, or the feed is closed."""
        while self._next_number <= number and not self.is_log_closed:
            await self._activity.wait_for_activity(self._activity.count)
