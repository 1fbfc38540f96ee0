"""Protection of a process's memory, which holds tokens and message text."""

import ctypes
import resource
import sys
from typing import Final

PR_SET_DUMPABLE: Final = 4
"""See prctl(2)."""


def protect_memory() -> None:
    """
    Forbid core dumps, and hide memory, environment and open files from other processes.

    Only root with CAP_SYS_PTRACE may still read them, also if it has the same user id.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
