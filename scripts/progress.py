"""Shows how far pip is, by what lies on the disk, since pip itself only says so to a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

WHEEL = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
LOOK = 5
"""Turns between two looks at the disk: a look costs more than a turn of the wheel."""
SMALLEST = 100_000
"""Bytes below which a download is not worth a number."""


def say(line: str) -> None:
    """Say one line to the person."""
    print(f"setup: {line}", file=sys.stderr, flush=True)


class Progress:
    """One line that says what is being done, how far it is and how long it has taken."""

    def __init__(self, folder: Path, what: str) -> None:
        """Begin to watch the environment in `folder`; where nobody looks, one line says so."""
        self._folder, self._what = folder, what
        self._started, self._turns, self._state = time.monotonic(), 0, ""
        self._before, self._most = self._installed(), 0
        self._watched = sys.stderr.isatty()
        if not self._watched:
            say(f"{what} …")

    def draw(self) -> None:
        """Draw the line anew."""
        if not self._watched:
            return
        if self._turns % LOOK == 0:
            self._look()
        wheel = WHEEL[self._turns % len(WHEEL)]
        self._turns += 1
        line = f"{wheel} {self._what}{self._state}  {time.monotonic() - self._started:.0f} s"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\033[K{line[:width]}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take the line away."""
        if self._watched:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _look(self) -> None:
        new = self._installed() - self._before
        self._most = max(self._most, self._downloaded())
        if new > 0:
            self._state = f": {new} installed"
        elif self._most > SMALLEST:
            self._state = f": {self._most / 1e6:,.1f} MB"

    def _installed(self) -> int:
        return len(list(self._folder.glob("lib/python*/site-packages/*.dist-info")))

    def _downloaded(self) -> int:
        total = 0
        for folder, _, names in os.walk(self._folder / "downloads"):
            for name in names:
                try:
                    total += Path(folder, name).stat().st_size
                except OSError:  # pip has just moved it on
                    continue
        return total
