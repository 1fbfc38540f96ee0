"""Slack's rate limits, pure: calls a minute by tier, messages a second by channel."""

import math
from collections import deque
from collections.abc import Callable

WINDOW = 60.0
PER_MINUTE = {1: 1, 2: 20, 3: 50, 4: 100}
SPECIAL_PER_MINUTE = 600
POSTS_PER_SECOND = 1.0
POSTS_AT_ONCE = 4.0


class Limits:
    """Counts calls on a clock of its own and says how long a caller has to wait."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` gives seconds."""
        self._now = now
        self._calls: dict[str, deque[float]] = {}
        self._posts: dict[str, tuple[float, float]] = {}

    def wait(self, method: str, tier: int) -> int | None:
        """Count one call; returns the whole seconds to wait where it came too soon, else None."""
        now = self._now()
        calls = self._calls.setdefault(method, deque())
        while calls and calls[0] <= now - WINDOW:
            calls.popleft()
        if len(calls) >= PER_MINUTE.get(tier, SPECIAL_PER_MINUTE):
            return max(1, math.ceil(calls[0] + WINDOW - now))
        calls.append(now)
        return None

    def wait_to_post(self, channel: str) -> int | None:
        """Count one message in a channel; returns the seconds to wait where it came too soon."""
        now = self._now()
        left, since = self._posts.get(channel, (POSTS_AT_ONCE, now))
        left = min(POSTS_AT_ONCE, left + (now - since) * POSTS_PER_SECOND)
        if left < 1.0:
            self._posts[channel] = (left, now)
            return 1
        self._posts[channel] = (left - 1.0, now)
        return None
