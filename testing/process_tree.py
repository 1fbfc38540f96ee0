"""Child processes and descendants of a process, read from `/proc`."""

import os
import select
import signal
import time
from pathlib import Path
from typing import Final

from testing.polling import poll_until

PAUSE_TIMEOUT_SECONDS: Final = 60.0
"""Maximum wait for a process to stop after SIGSTOP."""


def list_children(pid: int) -> list[int]:
    """Return the process ids of the living children of `pid`."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text("utf-8").split())
    return found


def list_descendants(pid: int) -> set[int]:
    """Return the process ids of all living descendants of `pid`."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text("utf-8", "replace")
            except OSError:  # the process ended after the listing
                continue
            parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
    found, new = set[int](), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new}
        found |= new
    return found


def find_survivors(pids: set[int], timeout: float = 30.0) -> set[int]:
    """Wait up to `timeout` seconds for processes to end; return those that still run."""
    deadline = time.monotonic() + timeout
    return {pid for pid in pids if not _exits_within(pid, deadline - time.monotonic())}


def _exits_within(pid: int, timeout: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], max(0.0, timeout))[0])
    finally:
        os.close(handle)


def read_command(pid: int) -> str:
    """Return the command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def find_engine(pid: int) -> int:
    """
    Return the process id of the engine of the worker `pid`.

    Raises `ValueError` unless the worker has exactly one.
    """
    [found] = [child for child in list_children(pid) if "worker.engine" in read_command(child)]
    return found


def kill_engine(pid: int) -> None:
    """Send SIGKILL to the engine of the worker `pid`, as the kernel's OOM killer does."""
    os.kill(find_engine(pid), signal.SIGKILL)


def freeze_engine(pid: int) -> None:
    """Send SIGSTOP to the engine of the worker `pid`: it hangs without ending."""
    os.kill(find_fork(find_engine(pid)), signal.SIGSTOP)


def find_fork(pid: int) -> int:
    """Return the fork that a process waits for (`testing.fork_server`), or the process itself."""

    def read_target() -> int | None:
        name, _, fork = Path(f"/proc/{pid}/comm").read_text("utf-8").strip().partition(" ")
        return (int(fork) if fork else None) if name == "fork" else pid

    return poll_until(read_target, description="the fork")


def wait_until_paused(pid: int) -> None:
    """Wait until a process is stopped by SIGSTOP. Raises `AssertionError` after a minute."""
    deadline = time.monotonic() + PAUSE_TIMEOUT_SECONDS
    while Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def count_open_files(pid: int) -> int:
    """Return the number of open file descriptors of a process, which may hide what they are."""
    # The size of this directory is that number (Linux 6.2); older systems let only root list it.
    folder = Path(f"/proc/{pid}/fd")
    return folder.stat().st_size or len(list(folder.iterdir()))


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
