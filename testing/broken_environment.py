"""
Run a program in an environment with one fault: its log, its clock or its name resolution.

- `python -m testing.broken_environment log full|closed ARGUMENT…` runs Python with these arguments.
  Its stderr is a full disk, or a pipe whose reader is gone.
- `python -m testing.broken_environment clock SECONDS MODULE` runs a module whose wall clock is so
  many seconds ahead. The monotonic clock is right.
- `python -m testing.broken_environment resolver FILE MODULE` runs a module to which `slack.test` is
  this machine. While FILE exists, resolving that name fails.

Clock and resolver are replaced in Python: to change them for a machine takes its administrator.
"""

import datetime as dt
import os
import runpy
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final, Self

STDERR: Final = 2
HOST_NAME: Final = "slack.test"
LOCAL_ADDRESS: Final = "127.0.0.1"


def main(fault: str, value: str, *arguments: str) -> None:
    """Become the program that `arguments` name, with the fault in place before its imports."""
    if fault == "log":
        os.dup2(_open_sink(value), STDERR)
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606
    if fault == "clock":
        _shift_clock(float(value))
    else:
        _replace_resolver(Path(value))
    [module] = arguments
    sys.argv[1:] = []
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _open_sink(name: str) -> int:
    """Open a file descriptor to which every write fails."""
    if name == "full":
        return os.open("/dev/full", os.O_WRONLY)
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def _shift_clock(offset_seconds: float) -> None:
    real = time.time

    class ShiftedDatetime(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(dt.UTC).replace(tzinfo=None)

    time.time = lambda: real() + offset_seconds
    dt.datetime = ShiftedDatetime  # type: ignore[misc]


def _replace_resolver(failure_file: Path) -> None:
    real = socket.getaddrinfo

    def resolve_host(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != HOST_NAME:
            return real(host, *arguments, **options)
        if failure_file.exists():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(LOCAL_ADDRESS, *arguments, **options)

    socket.getaddrinfo = resolve_host


if __name__ == "__main__":
    main(*sys.argv[1:])
