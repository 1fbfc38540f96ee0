"""Everything that happens, numbered, for pages that listen and tests that wait."""

import itertools
from collections import deque

from fakeslack.state.changes import Change
from fakeslack.state.pulse import Pulse

KEPT = 20_000


class Feed:
    """The last changes of the workspace; whoever reads may start at any number still kept."""

    def __init__(self, pulse: Pulse, keep: int = KEPT) -> None:
        self._changes: deque[Change] = deque(maxlen=keep)
        self._next = 0
        self._pulse = pulse

    @property
    def closed(self) -> bool:
        """Whether nothing more will happen."""
        return self._pulse.stopped

    @property
    def next(self) -> int:
        """The number that the next change will have."""
        return self._next

    @property
    def first(self) -> int:
        """The number of the oldest change that is still kept."""
        return self._next - len(self._changes)

    def put(self, change: Change) -> None:
        """Add a change and wake everybody who waits for one."""
        self._changes.append(change)
        self._next += 1
        self._pulse.beat()

    def since(self, number: int) -> list[tuple[int, Change]]:
        """Return the changes numbered `number` and later, as far as they are still kept."""
        skipped = max(0, number - self.first)
        kept = itertools.islice(self._changes, skipped, None)
        return list(enumerate(kept, self.first + skipped))

    async def beyond(self, number: int) -> None:
        """Return when the change numbered `number` has happened, or the feed is closed."""
        while self._next <= number and not self.closed:
            await self._pulse.beyond(self._pulse.beats)
