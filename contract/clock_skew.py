"""Slack's time, as its responses report it, and a warning about clocks that differ from it."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import structlog

log = structlog.get_logger()

MAX_SKEW_SECONDS: Final = 60.0
"""A clock that differs from Slack's by more than this is logged."""


def server_time(headers: Mapping[str, str]) -> float | None:
    """Return a response's `Date` header in seconds since the epoch; `None` if there is none."""
    date = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def warn_on_skew(slack_time: float | None, **clocks: float) -> None:
    """Log one warning with the skew of each clock that is `MAX_SKEW_SECONDS` off Slack's."""
    if slack_time is None:
        return
    skews = {
        name: round(at - slack_time)
        for name, at in clocks.items()
        if abs(at - slack_time) > MAX_SKEW_SECONDS
    }
    if skews:
        log.warning("clock differs from slack's", **skews)
