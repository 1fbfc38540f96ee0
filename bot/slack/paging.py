"""Reads Slack for what nobody waits for: page by page, kindly paced, as often as it is put off."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from slack_sdk.errors import SlackApiError

from bot.handlers.job_builder import LAST_ATTEMPT
from bot.slack.client import RETRY_DELAYS_SECONDS, error_name, retry_delay
from bot.slack.errors import CALL_ERRORS
from bot.store.thread_cache import UNREADABLE_ERRORS

ITEMS_PER_PAGE: Final = 200
MAX_PAGES: Final = 50
UNPACED_CALLS: Final = 20
"""Calls of each method that are made as fast as Slack answers."""
PACED_CALL_INTERVAL_SECONDS: Final = 1.5
"""Seconds before each further call: Slack's limits must leave room for the events of now."""
MAX_RETRY_DELAY_SECONDS: Final = 300.0
"""Seconds."""


class ShutdownError(Exception):
    """The bot ends."""


class PacedReader:
    """Calls of Slack that may be made twice. Raises `EndedError` as soon as `ended` is set."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._calls: Counter[str] = Counter()

    @property
    def num_calls(self) -> int:
        """How many calls were made since the last beginning."""
        return self._calls.total()

    def reset_pace(self) -> None:
        """Begin to count anew: the minutes of Slack's limits are over."""
        self._calls.clear()

    def read_pages(
        self, method: Callable[..., Any], field: str, **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield what all pages of a method hold in a field."""
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
        """Do what an event would make us do; like it, again and again where Slack is away."""
        for attempt in range(1, LAST_ATTEMPT):
            try:
                return handle(attempt=attempt)
            except CALL_ERRORS as error:
                self._wait_or_shutdown(_delay_before_retry(error, attempt))
        return handle(attempt=LAST_ATTEMPT)

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
    """Return the seconds that Slack wants us to wait, or that are kind to it."""
    if isinstance(error, SlackApiError):
        said = str((error.response.headers or {}).get("Retry-After", ""))
        if said.isdigit():
            return min(float(said), MAX_RETRY_DELAY_SECONDS)
    return retry_delay(tries)
