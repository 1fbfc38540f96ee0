"""The demo's child processes: each starts in its own session, and all are ended together."""

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
"""Seconds between two stop signals."""
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL)
"""The second SIGTERM tells the worker to abandon its running jobs."""


class DemoProcess:
    """
    One process of the demo. Its output goes to `log`, which starts empty.

    It has its own session, so that Ctrl-C reaches only the demo, which ends processes in order.
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
        """Start `command` in the repository's root."""
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
        """The process id, which is also the id of its session and process group."""
        return self._process.pid

    def poll_status(self) -> int | None:
        """Return the exit status, or `None` while the process runs."""
        return self._process.poll()

    def wait_for_exit(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the exit; return whether the process has exited."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; SIGKILL goes to its whole process group."""
        if number is not signal.SIGKILL:
            self._process.send_signal(number)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def find_address(self) -> str | None:
        """Return the address from the line `name: address` that a server logs once it listens."""
        for line in self.log.read_text("utf-8", "replace").splitlines():
            if line.startswith(f"{self.name}: http"):
                return line.partition(": ")[2]
        return None

    def read_log_tail(self, lines: int = 5) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])


def stop_processes(
    processes: Iterable[DemoProcess], interval: float = SIGNAL_INTERVAL_SECONDS
) -> None:
    """End all processes: SIGTERM, SIGTERM, then SIGKILL, `interval` seconds apart."""
    alive = list(processes)
    started = list(alive)
    for number in STOP_SIGNALS:
        for child in alive:
            child.send_signal(number)
        deadline = time.monotonic() + interval
        alive = [c for c in alive if not c.wait_for_exit(max(0.0, deadline - time.monotonic()))]
    for child in started:  # a grandchild may have outlived its parent
        child.send_signal(signal.SIGKILL)
