"""What time it is at Slack: its timestamps are compared with no other clock."""

import time
from collections.abc import Mapping
from typing import Final

from slack_sdk.signature import Clock

from contract import clock_skew

DATE_RESOLUTION_SECONDS: Final = 2.0
"""Seconds by which answers of one clock may differ: `Date` has none but whole ones."""


class SlackClock(Clock):
    """Slack's time, by its last answers and by the seconds since; until then this machine's."""

    def __init__(self) -> None:
        """Go by this machine's clock until Slack has said something."""
        self._offset = time.time() - time.monotonic()
        self._synced = False

    def sync(self, headers: Mapping[str, str]) -> None:
        """Take note of when an answer was given."""
        server_time = clock_skew.server_time(headers)
        if server_time is None:
            return
        # Each answer is a little older than it says now: the youngest of them is the truest.
        latest = server_time - time.monotonic()
        if not self._synced or not latest <= self._offset <= latest + DATE_RESOLUTION_SECONDS:
            self._offset = latest
        self._synced = True

    def now(self) -> float:
        """Return what time it is at Slack (s since the epoch)."""
        return self._offset + time.monotonic()
