"""Paginated, paced Slack reads for background use, with retries after rate limits."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from slack_sdk.errors import SlackApiError

from bot.slack.client import CALL_ERRORS, RETRY_DELAYS_SECONDS, error_name, retry_delay
from contract.slack_errors import LAST_DELIVERY_ATTEMPT, UNREADABLE_ERRORS, retry_after_seconds

ITEMS_PER_PAGE: Final = 200
MAX_PAGES: Final = 50
UNPACED_CALLS: Final = 20
"""Calls of each method without a pause between them."""
PACED_CALL_INTERVAL_SECONDS: Final = 1.5
"""Seconds before each further call, so that rate limits leave room for current events."""
MAX_RETRY_DELAY_SECONDS: Final = 300.0


class ShutdownError(Exception):
    """The bot stops; unfinished reads are abandoned."""


class PacedReader:
    """Reader of Slack. Methods raise `ShutdownError` as soon as `stopped` is set."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._calls: Counter[str] = Counter()

    @property
    def num_calls(self) -> int:
        """Number of calls since the last `reset_pace`."""
        return self._calls.total()

    def reset_pace(self) -> None:
        """Allow unpaced calls again: Slack's rate limits are counted by the minute."""
        self._calls.clear()

    def read_pages(
        self, method: Callable[..., Any], field: str, **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the items in `field` of all pages of a method. Raises `CALL_ERRORS`."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            answer = self._call_with_pace(
                method.__name__, partial(method, limit=ITEMS_PER_PAGE, cursor=cursor, **arguments)
            )
            yield from answer.get(field) or ()
            before, cursor = cursor, (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor or cursor == before:
                return

    def retry_delivery(self, handle: Callable[..., None]) -> None:
        """Call an event's handler; retry it as Slack retries an event. Raises `CALL_ERRORS`."""
        for attempt in range(1, LAST_DELIVERY_ATTEMPT):
            try:
                return handle(attempt=attempt)
            except CALL_ERRORS as error:
                self._wait_or_shutdown(_delay_before_retry(error, attempt))
        return handle(attempt=LAST_DELIVERY_ATTEMPT)

    def _call_with_pace(self, name: str, call: Callable[[], Any]) -> Any:
        tries = 0
        while True:
            self._calls[name] += 1
            self._wait_or_shutdown(
                PACED_CALL_INTERVAL_SECONDS if self._calls[name] > UNPACED_CALLS else 0
            )
            try:
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
    """Return the seconds of `Retry-After`, or a backoff delay if there is none."""
    if isinstance(error, SlackApiError):
        header = (error.response.headers or {}).get("Retry-After")
        if header is not None:
            return min(retry_after_seconds(header), MAX_RETRY_DELAY_SECONDS)
    return retry_delay(tries)
