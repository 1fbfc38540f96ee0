"""Paginated, paced Slack reads for background use, with retries after rate limits."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from bot.slack.budget import pace_calls
from bot.slack.client import (
    CALL_ERRORS,
    RETRY_DELAYS_SECONDS,
    AppRefusedError,
    error_name,
    rate_limit_seconds,
    retry_delay,
)
from contract.slack_budget import Priority
from contract.slack_errors import LAST_DELIVERY_ATTEMPT, UNREADABLE_ERRORS

ITEMS_PER_PAGE: Final = 200
MAX_PAGES: Final = 50
MAX_RETRY_DELAY_SECONDS: Final = 300.0


class ShutdownError(Exception):
    """The bot stops; unfinished reads are abandoned."""


class PacedReader:
    """Reader of Slack. Methods raise `ShutdownError` as soon as `stopped` is set."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self.num_calls = 0
        """Number of calls so far."""

    def read_pages(
        self, method: Callable[..., Any], field: str, **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the items in `field` of all pages of a method. Raises `CALL_ERRORS`."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            answer = self._call_with_pace(
                partial(method, limit=ITEMS_PER_PAGE, cursor=cursor, **arguments)
            )
            yield from answer.get(field) or ()
            before, cursor = cursor, (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor or cursor == before:
                return

    def retry_delivery(self, handle: Callable[..., None]) -> None:
        """
        Call an event's handler; retry it as Slack retries an event.

        Raises `CALL_ERRORS`, at once if Slack refuses the app.
        """
        for attempt in range(1, LAST_DELIVERY_ATTEMPT):
            try:
                return handle(attempt=attempt)
            except AppRefusedError:
                raise
            except CALL_ERRORS as error:
                self._wait_or_shutdown(_delay_before_retry(error, attempt))
        return handle(attempt=LAST_DELIVERY_ATTEMPT)

    def _call_with_pace(self, call: Callable[[], Any]) -> Any:
        tries = 0
        while True:
            self.num_calls += 1
            self._wait_or_shutdown(0)
            try:
                # The reserve of the budget leaves room for current events.
                with pace_calls(Priority.BACKGROUND, MAX_RETRY_DELAY_SECONDS):
                    return call()
            except CALL_ERRORS as error:
                if error_name(error) in UNREADABLE_ERRORS or tries >= len(RETRY_DELAYS_SECONDS):
                    raise
                if error_name(error) != "ratelimited":
                    tries += 1
                self._wait_or_shutdown(_delay_before_retry(error, tries))

    def _wait_or_shutdown(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise ShutdownError


def _delay_before_retry(error: Exception, tries: int) -> float:
    """Return the seconds until a rate limit ends, or a backoff delay after another error."""
    seconds = rate_limit_seconds(error)
    return retry_delay(tries) if seconds is None else min(seconds, MAX_RETRY_DELAY_SECONDS)
