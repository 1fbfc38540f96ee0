"""Says how far loading is while a library that says nothing is at work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import torch

from worker.engine.loading.memory import taken_bytes

Progress = Callable[[str, float], None]
"""Told of each stage of loading, with the share of the whole that is done (0 to 1)."""

EVERY: Final = 0.5
"""Seconds between two looks at how much memory the weights have taken so far."""


@contextmanager
def watched(
    progress: Progress, stage: str, span: tuple[float, float], device: torch.device, needed: int
) -> Iterator[None]:
    """Report a stage that fills `needed` bytes of a device, from the share `span[0]` to `[1]`."""
    first, last = span
    progress(stage, first)
    before = taken_bytes(device)
    over = threading.Event()

    def look() -> None:
        furthest = first
        while not over.wait(EVERY):
            done = (taken_bytes(device) - before) / max(1, needed)
            furthest = max(furthest, first + (last - first) * min(1.0, done))
            progress(stage, round(furthest, 3))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
