"""Looks again and again for what no event announces, for tests."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

PAUSE: Final = 0.02
"""Seconds between two looks."""


def until(look: Callable[[], Found | None], *, within: float = 20.0, what: str = "it") -> Found:
    """Return what `look` finds as soon as it finds something."""
    deadline = time.monotonic() + within
    never = threading.Event()
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {within} s for {what}"
        never.wait(PAUSE)
    return found
