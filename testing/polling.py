"""Looks again and again for what no event announces, for tests."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

POLL_SECONDS: Final = 0.02
"""Seconds between two looks."""


def poll_until(
    probe: Callable[[], Found | None], *, timeout: float = 20.0, description: str = "it"
) -> Found:
    """Return what `look` finds as soon as it finds something."""
    deadline = time.monotonic() + timeout
    never = threading.Event()
    while not (found := probe()):
        assert time.monotonic() < deadline, f"waited {timeout} s for {description}"
        never.wait(POLL_SECONDS)
    return found
