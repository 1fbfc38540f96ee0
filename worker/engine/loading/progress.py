"""Loading progress, estimated from memory use while a library loads weights silently."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import torch

from worker.engine.loading.memory import used_bytes

Progress = Callable[[str, float], None]
"""Receives each loading stage with the total progress as a fraction (0 to 1)."""

POLL_INTERVAL_SECONDS: Final = 0.5
"""Interval between two measurements of the memory in use."""


@contextmanager
def report_progress(
    progress: Progress,
    stage: str,
    fractions: tuple[float, float],
    device: torch.device,
    total_bytes: int,
) -> Iterator[None]:
    """Report a stage that fills `total_bytes` of a device, between two fractions of the total."""
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
