"""The processes that a process has started, read from /proc."""

import os
import signal
import time
from pathlib import Path
from typing import Final

PAUSE_TIMEOUT_SECONDS: Final = 60.0
"""Seconds."""


def list_children(pid: int) -> list[int]:
    """Return the process ids of what `pid` has started and still has."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text("utf-8").split())
    return found


def read_command(pid: int) -> str:
    """Return how a process was started."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def find_engine(pid: int) -> int:
    """Return the process id of the engine of the worker `pid`."""
    [found] = [child for child in list_children(pid) if "worker.engine" in read_command(child)]
    return found


def kill_engine(pid: int) -> None:
    """End the engine of the worker `pid` at once, as the kernel would."""
    os.kill(find_engine(pid), signal.SIGKILL)


def freeze_engine(pid: int) -> None:
    """Let the engine of the worker `pid` say nothing more: a small one is done in half a second."""
    os.kill(find_engine(pid), signal.SIGSTOP)


def wait_until_paused(pid: int) -> None:
    """Wait until a process stands still."""
    deadline = time.monotonic() + PAUSE_TIMEOUT_SECONDS
    while Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.02)


def resident_mib(pid: int) -> float:
    """Return the MiB that a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
