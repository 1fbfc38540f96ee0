"""Shows how far pip is, by what lies on the disk, since pip itself only says so to a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

SPINNER_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_PER_SCAN = 5
"""Turns between two looks at the disk: a look costs more than a turn of the wheel."""
MIN_SHOWN_BYTES = 100_000
"""Bytes below which a download is not worth a number."""


def print_status(line: str) -> None:
    """Say one line to the person."""
    print(f"setup: {line}", file=sys.stderr, flush=True)


class ProgressLine:
    """One line that says what is being done, how far it is and how long it has taken."""

    def __init__(self, environment: Path, task: str) -> None:
        """Begin to watch the environment in `folder`; where nobody looks, one line says so."""
        self._environment, self._task = environment, task
        self._started_at, self._frames, self._detail = time.monotonic(), 0, ""
        self._packages_before, self._peak_bytes = self._count_packages(), 0
        self._is_terminal = sys.stderr.isatty()
        if not self._is_terminal:
            print_status(f"{task} …")

    def draw_frame(self) -> None:
        """Draw the line anew."""
        if not self._is_terminal:
            return
        if self._frames % FRAMES_PER_SCAN == 0:
            self._scan_disk()
        spinner = SPINNER_FRAMES[self._frames % len(SPINNER_FRAMES)]
        self._frames += 1
        line = f"{spinner} {self._task}{self._detail}  {time.monotonic() - self._started_at:.0f} s"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{line[:width]}", end="", file=sys.stderr, flush=True)

    def clear_line(self) -> None:
        """Take the line away."""
        if self._is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _scan_disk(self) -> None:
        installed = self._count_packages() - self._packages_before
        self._peak_bytes = max(self._peak_bytes, self._count_downloaded_bytes())
        if installed > 0:
            self._detail = f": {installed} installed"
        elif self._peak_bytes > MIN_SHOWN_BYTES:
            self._detail = f": {self._peak_bytes / 1e6:,.1f} MB"

    def _count_packages(self) -> int:
        return len(list(self._environment.glob("lib/python*/site-packages/*.dist-info")))

    def _count_downloaded_bytes(self) -> int:
        total = 0
        for folder, _, names in os.walk(self._environment / "downloads"):
            for name in names:
                try:
                    total += Path(folder, name).stat().st_size
                except OSError:  # pip has just moved it on
                    continue
        return total
