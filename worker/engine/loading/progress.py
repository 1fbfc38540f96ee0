"""Says how far loading is while a library that says nothing is at work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import torch

from worker.engine.loading.memory import used_bytes

Progress = Callable[[str, float], None]
"""Told of each stage of loading, with the share of the whole that is done (0 to 1)."""

POLL_INTERVAL_SECONDS: Final = 0.5
"""Seconds between two looks at how much memory the weights have taken so far."""


@contextmanager
def report_progress(
    progress: Progress,
    stage: str,
    fractions: tuple[float, float],
    device: torch.device,
    total_bytes: int,
) -> Iterator[None]:
    """Report a stage that fills `needed` bytes of a device, from the share `span[0]` to `[1]`."""
    first, last = fractions
    progress(stage, first)
    initial_bytes = used_bytes(device)
    finished = threading.Event()

    def poll_memory() -> None:
        last_fraction = first
        while not finished.wait(POLL_INTERVAL_SECONDS):
            loaded_share = (used_bytes(device) - initial_bytes) / max(1, total_bytes)
            last_fraction = max(last_fraction, first + (last - first) * min(1.0, loaded_share))
            progress(stage, round(last_fraction, 3))

    thread = threading.Thread(target=poll_memory, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
