"""
Runs Python with a log that cannot be written: `-m testing.broken_environment full|closed -m bot`.

`full` is a disk without room, `closed` a pipe that nobody reads any more.
"""

import os
import sys
from typing import Final

STDERR: Final = 2


def main(sink: str, *arguments: str) -> None:
    """Become what the arguments say, with stderr led into the sink."""
    os.dup2(_open_closed_pipe() if sink == "closed" else os.open("/dev/full", os.O_WRONLY), STDERR)
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606


def _open_closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


if __name__ == "__main__":
    main(*sys.argv[1:])
