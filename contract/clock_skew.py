"""What time it is at Slack, as its answers say, and which of our clocks say something else."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import structlog

log = structlog.get_logger()

MAX_SKEW_SECONDS: Final = 60.0
"""Seconds that a clock may be off before an operator should know."""


def server_time(headers: Mapping[str, str]) -> float | None:
    """Return the time of an answer by its `Date` (s since the epoch); `None` if it names none."""
    date = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def warn_on_skew(slack_time: float | None, **clocks: float) -> None:
    """Warn in one line of the clocks that are further than `APART` from Slack's (s ahead of it)."""
    if slack_time is None:
        return
    skews = {
        name: round(at - slack_time)
        for name, at in clocks.items()
        if abs(at - slack_time) > MAX_SKEW_SECONDS
    }
    if skews:
        log.warning("clock differs from slack's", **skews)
