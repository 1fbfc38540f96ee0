"""The processes that a process has started, and theirs: who they are, and when they have ended."""

import os
import select
import time
from pathlib import Path


def list_descendants(pid: int) -> set[int]:
    """Return all processes below `pid` that run now."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text("utf-8", "replace")
            except OSError:  # it has just ended
                continue
            parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
    found, new = set[int](), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new}
        found |= new
    return found


def find_survivors(pids: set[int], timeout: float = 30.0) -> set[int]:
    """Wait until these processes have ended; return those that have not within that time."""
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
