"""
Runs a program of ours with a clock that is off: `python -m testing.broken_clock 3600 worker`.

What Python says of the time of day is so many seconds ahead; how time passes stays as it is.
"""

import datetime as dt
import runpy
import sys
import time
from typing import Self


def main(ahead: str, room: str) -> None:
    """Become this program, with the clock set wrong before it has imported anything."""
    _set(float(ahead))
    sys.argv[1:] = []
    runpy.run_module(room, run_name="__main__", alter_sys=True)


def _set(ahead: float) -> None:
    real = time.time

    class Off(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(dt.UTC).replace(tzinfo=None)

    time.time = lambda: real() + ahead
    dt.datetime = Off  # type: ignore[misc]


if __name__ == "__main__":
    main(*sys.argv[1:])
