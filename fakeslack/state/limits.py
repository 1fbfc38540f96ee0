"""Slack's rate limits: sliding windows of calls, a token bucket of posts per channel. Pure."""

import math
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0
CALLS_PER_MINUTE_BY_TIER = {1: 1, 2: 20, 3: 50, 4: 100}
SPECIAL_CALLS_PER_MINUTE = 600
POSTS_PER_SECOND = 1.0
MAX_POST_BURST = 4.0


class RateLimits:
    """Rate limiter that returns how long a caller has to wait."""

    def __init__(self, elapsed_seconds: Callable[[], float]) -> None:
        """Count time by `elapsed_seconds`."""
        self._elapsed_seconds = elapsed_seconds
        self._calls_by_method: dict[str, deque[float]] = {}
        self._buckets: dict[str, tuple[float, float]] = {}

    def acquire_call(self, method: str, tier: int) -> int | None:
        """Count one call. Return the seconds to wait if the tier's limit is exceeded, else None."""
        now = self._elapsed_seconds()
        calls = self._calls_by_method.setdefault(method, deque())
        while calls and calls[0] <= now - WINDOW_SECONDS:
            calls.popleft()
        if len(calls) >= CALLS_PER_MINUTE_BY_TIER.get(tier, SPECIAL_CALLS_PER_MINUTE):
            return max(1, math.ceil(calls[0] + WINDOW_SECONDS - now))
        calls.append(now)
        return None

    def acquire_post(self, channel: str) -> int | None:
        """Take a token of the channel. Return the seconds to wait if there is none, else None."""
        now = self._elapsed_seconds()
        tokens, since = self._buckets.get(channel, (MAX_POST_BURST, now))
        tokens = min(MAX_POST_BURST, tokens + (now - since) * POSTS_PER_SECOND)
        if tokens < 1.0:
            self._buckets[channel] = (tokens, now)
            return 1
        self._buckets[channel] = (tokens - 1.0, now)
        return None
