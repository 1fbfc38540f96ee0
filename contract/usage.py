"""
Usage: what replies used of the engine, summed for each user, channel and team by UTC day.

A day's sums are a hash in Redis, `<prefix>:<day>`, whose day is counted from 1970 by Redis' clock.
They hold numbers only, and expire after `USAGE_DAYS`. The worker adds to them in `save_answer.lua`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SECONDS_PER_DAY: Final = 86_400
USAGE_DAYS: Final = 7
"""Days that are shown, today included. Redis keeps a day more."""
GPU_MS: Final = "gpu_ms"
"""Field of a day: milliseconds of the engine's steps."""
REPLIES: Final = "replies"
"""Field of a day: generated replies."""
WAIT_BOUNDS_SECONDS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
"""Upper bounds of the waits that are counted together; longer ones count with the last."""
MAX_FIELD_DIGITS: Final = 15


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums of one or more days. `waits` counts replies by the bound of their wait (s)."""

    gpu_ms: int
    replies: int
    waits: Mapping[int, int]

    @property
    def median_wait_seconds(self) -> int | None:
        """The bound within which half of the replies began; `None` without replies."""
        total, seen = sum(self.waits.values()), 0
        for bound in WAIT_BOUNDS_SECONDS:
            seen += self.waits.get(bound, 0)
            if total and 2 * seen >= total:
                return bound
        return None


def name_wait_field(wait_ms: int) -> str:
    """Return the field of a day that counts a wait."""
    bounds = (bound for bound in WAIT_BOUNDS_SECONDS if wait_ms <= bound * 1000)
    return f"wait_{next(bounds, WAIT_BOUNDS_SECONDS[-1])}"


def sum_days(days: Sequence[Mapping[str, str]]) -> Usage:
    """Return the sums of days as Redis has them. What is no count there is 0."""
    return Usage(
        gpu_ms=sum(_read_count(day, GPU_MS) for day in days),
        replies=sum(_read_count(day, REPLIES) for day in days),
        waits={
            bound: sum(_read_count(day, f"wait_{bound}") for day in days)
            for bound in WAIT_BOUNDS_SECONDS
        },
    )


def name_days(prefix: str, today: int) -> list[str]:
    """Return the keys of the days that are shown, today's first."""
    return [f"{prefix}:{today - age}" for age in range(USAGE_DAYS)]


def _read_count(day: Mapping[str, str], field: str) -> int:
    value = day.get(field, "")
    is_count = value.isascii() and value.isdigit() and len(value) <= MAX_FIELD_DIGITS
    return int(value) if is_count else 0
