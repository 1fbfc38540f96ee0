"""Starts the demo's processes, each in a session of its own, and leaves none of them behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from demo.parent_death import with_parent_death_signal

REPOSITORY: Final = Path(__file__).resolve().parents[1]
SIGNAL_INTERVAL_SECONDS: Final = 3.0
"""Seconds between one request to end and the next, stronger one."""
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL)
"""The second SIGTERM tells the worker not to finish what it has begun."""


class DemoProcess:
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
        parent_death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start `command` from the repository's root."""
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                with_parent_death_signal(command, parent_death_signal),
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

    def poll_status(self) -> int | None:
        """Return the exit status, or `None` while it runs."""
        return self._process.poll()

    def wait_for_exit(self, timeout: float) -> bool:
        """Wait for the end, `within` seconds at most; whether it came."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; SIGKILL goes to all of its group."""
        if number is not signal.SIGKILL:
            self._process.send_signal(number)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def find_address(self) -> str | None:
        """Return the address in the line `name: address` that a server prints once it serves."""
        for line in self.log.read_text("utf-8", "replace").splitlines():
            if line.startswith(f"{self.name}: http"):
                return line.partition(": ")[2]
        return None

    def read_log_tail(self, lines: int = 5) -> str:
        """Return the last lines that it wrote."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])


def stop_processes(
    processes: Iterable[DemoProcess], interval: float = SIGNAL_INTERVAL_SECONDS
) -> None:
    """End all of these at once: ask, ask again, then leave no choice, `patience` seconds apart."""
    alive = list(processes)
    started = list(alive)
    for number in STOP_SIGNALS:
        for child in alive:
            child.send_signal(number)
        deadline = time.monotonic() + interval
        alive = [c for c in alive if not c.wait_for_exit(max(0.0, deadline - time.monotonic()))]
    for child in started:  # a child of a child may have outlived it
        child.send_signal(signal.SIGKILL)
