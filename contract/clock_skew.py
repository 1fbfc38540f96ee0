"""What time it is at Slack, as its answers say, and which of our clocks say something else."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import structlog

log = structlog.get_logger()

APART: Final = 60.0
"""Seconds that a clock may be off before an operator should know."""


def told(headers: Mapping[str, str]) -> float | None:
    """Return the time of an answer by its `Date` (s since the epoch); `None` if it names none."""
    said = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        return parsedate_to_datetime(said).timestamp()
    except (ValueError, OverflowError):
        return None


def compare(slack: float | None, **clocks: float) -> None:
    """Warn in one line of the clocks that are further than `APART` from Slack's (s ahead of it)."""
    if slack is None:
        return
    off = {name: round(at - slack) for name, at in clocks.items() if abs(at - slack) > APART}
    if off:
        log.warning("clock differs from slack's", **off)
