"""
Runs a program of ours with a clock that is off: `python -m testing.broken_clock 3600 worker`.

What Python says of the time of day is so many seconds ahead; how time passes stays as it is.
"""

import datetime as dt
import runpy
import sys
import time
from typing import Self


def main(offset_seconds: str, module: str) -> None:
    """Become this program, with the clock set wrong before it has imported anything."""
    _shift_clock(float(offset_seconds))
    sys.argv[1:] = []
    runpy.run_module(module, run_name="__main__", alter_sys=True)


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


if __name__ == "__main__":
    main(*sys.argv[1:])
