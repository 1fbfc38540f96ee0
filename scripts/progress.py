"""Progress line for pip, computed from files on disk, because pip reports only to a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

SPINNER_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAMES_PER_SCAN = 5
"""Frames of the spinner between two scans of the disk, which are slower than a frame."""
MIN_SHOWN_BYTES = 100_000
"""Minimum downloaded bytes for which the line shows a number."""


def print_status(line: str) -> None:
    """Print one line for the person to standard error."""
    print(f"setup: {line}", file=sys.stderr, flush=True)


class ProgressLine:
    """One line with the current task, its progress and its duration."""

    def __init__(self, environment: Path, task: str) -> None:
        """Start the clock for `task`; without a terminal, print one line instead of a spinner."""
        self._environment, self._task = environment, task
        self._started_at, self._frames, self._detail = time.monotonic(), 0, ""
        self._packages_before, self._peak_bytes = self._count_packages(), 0
        self._is_terminal = sys.stderr.isatty()
        if not self._is_terminal:
            print_status(f"{task} …")

    def draw_frame(self) -> None:
        """Draw the next frame of the line."""
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
        """Erase the line."""
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
                except OSError:  # pip has just moved the file
                    continue
        return total
