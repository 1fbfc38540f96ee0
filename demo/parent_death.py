"""
Runs a command that ends when whoever started it has ended, however that happened.

`python -m demo.parent_death PARENT SIGNAL COMMAND…` asks the kernel to send SIGNAL when the process PARENT
is gone, and becomes COMMAND. Without it a demo that is killed would leave its children running.
The kernel takes the thread that started it for its parent: start from one that lasts.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""`PR_SET_PDEATHSIG` of prctl(2); it survives the exec below."""


def with_parent_death_signal(
    command: list[str], number: signal.Signals = signal.SIGKILL
) -> list[str]:
    """Return `command` such that it gets the signal when the calling process is gone."""
    if not sys.platform.startswith("linux"):
        return command
    return [sys.executable, "-m", "demo.parent_death", str(os.getpid()), number.name, *command]


def main(parent: int, number: signal.Signals, command: list[str]) -> None:
    """Put on the leash and become the command; never returns."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it had gone before the kernel knew of our wish
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), signal.Signals[sys.argv[2]], sys.argv[3:])
