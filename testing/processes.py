"""Product processes with a clean environment, and their log lines."""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Self

from testing.environment import REPOSITORY, clean_environment
from testing.fork_server import ForkedProcess, forks_by_default

WAIT_SECONDS = 180.0
"""Maximum wait for an event, which a busy machine may delay by a minute."""


class Process:
    """`python -m <module>` in its own process group, with its log lines."""

    def __init__(self, module: str, *arguments: str, **variables: str) -> None:
        """Start the process; `variables` are its settings."""
        self.module = module
        self.variables = variables
        self.lines: list[str] = []
        self._arrived: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = self._start_process(arguments, clean_environment(**variables))
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()

    def _start_process(
        self, arguments: Sequence[str], environment: dict[str, str]
    ) -> "ForkedProcess | subprocess.Popen[str]":
        if forks_by_default(self.module):
            return ForkedProcess(self.module, arguments, environment)
        return _execute(self.module, arguments, environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop_process()
        if kind is not None:
            # pytest shows it beside the failure.
            print(self.log_text)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def log_text(self) -> str:
        """The output of the process so far."""
        return "\n".join(self.lines)

    def wait_for_event(self, event: str, timeout: float = WAIT_SECONDS) -> dict[str, Any]:
        """Return the next log line with this event, and skip those before it."""
        return _parse_event(
            self._next_line(lambda line: _parse_event(line).get("event") == event, event, timeout)
        )

    def wait_for_line(self, start: str, timeout: float = WAIT_SECONDS) -> str:
        """Return the next line that begins with `start`, and skip those before it."""
        return self._next_line(lambda line: line.startswith(start), start, timeout).rstrip("\n")

    def poll(self) -> int | None:
        """Return the exit status, `None` while the process runs."""
        return self._process.poll()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, as a supervisor does."""
        self._process.send_signal(number)

    def kill_group(self) -> None:
        """Send SIGKILL to the process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait_for_exit()

    def wait_for_exit(self, timeout: float = WAIT_SECONDS) -> int:
        """Return the exit status. Raises `TimeoutExpired` if the process runs after `timeout` s."""
        status = self._process.wait(timeout)
        self._reader.join(timeout)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return status

    def stop_process(self, timeout: float = 30.0) -> int:
        """Send SIGTERM, and SIGKILL after `timeout` seconds; return the exit status."""
        if self._process.poll() is None:
            self.send_signal(signal.SIGTERM)
            try:
                return self.wait_for_exit(timeout)
            except subprocess.TimeoutExpired:
                self.kill_group()
        return self.wait_for_exit()

    def _next_line(self, is_wanted: Callable[[str], bool], description: str, timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._arrived.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"{self.module}: no '{description}' in {timeout} s\n{self.log_text}"
                ) from None
            if line is None:
                raise AssertionError(f"{self.module} ended before '{description}'\n{self.log_text}")
            if is_wanted(line):
                return line

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._arrived.put(line)
        self._arrived.put(None)


class FreshProcess(Process):
    """A process that is no fork of a server, in tests too: Python imports everything."""

    def _start_process(
        self, arguments: Sequence[str], environment: dict[str, str]
    ) -> "subprocess.Popen[str]":
        return _execute(self.module, arguments, environment)


def _execute(
    module: str, arguments: Sequence[str], environment: dict[str, str]
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _parse_event(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def free_port() -> int:
    """Return a TCP port that is free on this machine now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def fetch_page(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """Return status and text of a health page, as a supervisor sees it."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
