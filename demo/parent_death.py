"""
Parent death signal: a command that the kernel ends when its parent process dies.

`python -m demo.parent_death PARENT SIGNAL COMMAND…` asks the kernel to send SIGNAL when the process
PARENT dies, and then executes COMMAND. Without it a killed demo would leave its children running.
The kernel's parent is the thread that started the child: start it from a thread that outlives it.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""Option of prctl(2); the setting survives the exec below."""


def with_parent_death_signal(
    command: list[str], number: signal.Signals = signal.SIGKILL
) -> list[str]:
    """Return a command that receives the signal when the calling process dies."""
    if not sys.platform.startswith("linux"):
        return command
    return [sys.executable, "-m", "demo.parent_death", str(os.getpid()), number.name, *command]


def main(parent: int, number: signal.Signals, command: list[str]) -> None:
    """Set the parent death signal and execute the command; never returns."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # the parent died before the prctl call
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), signal.Signals[sys.argv[2]], sys.argv[3:])
