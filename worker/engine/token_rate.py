"""Token rate: tokens per second, averaged over the last seconds. Torch-free."""

import time
from collections import deque
from typing import Final

RATE_WINDOW_SECONDS: Final = 5.0
"""Window of the tokens-per-second average."""


class TokenRate:
    """Moving average of the tokens of all requests."""

    def __init__(self) -> None:
        self._recent_tokens: deque[tuple[float, int]] = deque()

    def add_tokens(self, count: int) -> None:
        """Count tokens that have just arrived."""
        self._recent_tokens.append((time.monotonic(), count))

    def average_window(self) -> float:
        """Return the tokens per second of the window."""
        since = time.monotonic() - RATE_WINDOW_SECONDS
        while self._recent_tokens and self._recent_tokens[0][0] < since:
            self._recent_tokens.popleft()
        return sum(count for _, count in self._recent_tokens) / RATE_WINDOW_SECONDS
