"""Starts the demo's processes, each in a session of its own, and leaves none of them behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from demo.parent_death import leashed

REPOSITORY: Final = Path(__file__).resolve().parents[1]
PATIENCE: Final = 3.0
"""Seconds between one request to end and the next, stronger one."""
REQUESTS: Final = (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL)
"""The second SIGTERM tells the worker not to finish what it has begun."""


class Child:
    """
    One process of the demo. What it writes goes to `log`, which starts empty.

    In a session of its own, so that Ctrl-C reaches us alone and we decide in what order things end.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        when_we_die: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start `command` from the repository's root."""
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                leashed(command, when_we_die),
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is also that of its session and group."""
        return self._process.pid

    def status(self) -> int | None:
        """Return the exit status, or `None` while it runs."""
        return self._process.poll()

    def wait(self, within: float) -> bool:
        """Wait for the end, `within` seconds at most; whether it came."""
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; SIGKILL goes to all of its group."""
        if number is not signal.SIGKILL:
            self._process.send_signal(number)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def announced(self) -> str | None:
        """Return the address in the line `name: address` that a server prints once it serves."""
        for line in self.log.read_text("utf-8", "replace").splitlines():
            if line.startswith(f"{self.name}: http"):
                return line.partition(": ")[2]
        return None

    def last_words(self, lines: int = 5) -> str:
        """Return the last lines that it wrote."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])


def stop(children: Iterable[Child], patience: float = PATIENCE) -> None:
    """End all of these at once: ask, ask again, then leave no choice, `patience` seconds apart."""
    alive = list(children)
    groups = list(alive)
    for number in REQUESTS:
        for child in alive:
            child.signal(number)
        until = time.monotonic() + patience
        alive = [c for c in alive if not c.wait(max(0.0, until - time.monotonic()))]
    for child in groups:  # a child of a child may have outlived it
        child.signal(signal.SIGKILL)
