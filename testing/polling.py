"""Polling for conditions that no event announces."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

POLL_SECONDS: Final = 0.02
"""Interval between two probes."""


def poll_until(
    probe: Callable[[], Found | None], *, timeout: float = 60.0, description: str = "it"
) -> Found:
    """Return the first true result of `probe`. Raises `AssertionError` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    never = threading.Event()
    while not (found := probe()):
        assert time.monotonic() < deadline, f"waited {timeout} s for {description}"
        never.wait(POLL_SECONDS)
    return found
