"""Reads Slack for what nobody waits for: page by page, kindly paced, as often as it is put off."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from slack_sdk.errors import SlackApiError

from bot.handlers.job_builder import LAST_ATTEMPT
from bot.slack.client import PAUSES, pause, reason
from bot.slack.errors import SLACK_AWAY
from bot.store.thread_cache import SHUT

PAGE: Final = 200
MOST_PAGES: Final = 50
FREE: Final = 20
"""Calls of each method that are made as fast as Slack answers."""
PACE: Final = 1.5
"""Seconds before each further call: Slack's limits must leave room for the events of now."""
LONGEST_WAIT: Final = 300.0
"""Seconds."""


class EndedError(Exception):
    """The bot ends."""


class Reading:
    """Calls of Slack that may be made twice. Raises `EndedError` as soon as `ended` is set."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended
        self._calls: Counter[str] = Counter()

    @property
    def calls(self) -> int:
        """How many calls were made since the last beginning."""
        return self._calls.total()

    def begin(self) -> None:
        """Begin to count anew: the minutes of Slack's limits are over."""
        self._calls.clear()

    def pages(
        self, method: Callable[..., Any], field: str, **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield what all pages of a method hold in a field."""
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            answer = self._ask(
                method.__name__, partial(method, limit=PAGE, cursor=cursor, **arguments)
            )
            yield from answer.get(field) or ()
            before, cursor = cursor, (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor or cursor == before:
                return

    def persist(self, deal: Callable[..., None]) -> None:
        """Do what an event would make us do; like it, again and again where Slack is away."""
        for attempt in range(1, LAST_ATTEMPT):
            try:
                return deal(attempt=attempt)
            except SLACK_AWAY as error:
                self._wait(_pause(error, attempt))
        return deal(attempt=LAST_ATTEMPT)

    def _ask(self, name: str, call: Callable[[], Any]) -> Any:
        tries = 0
        while True:
            self._calls[name] += 1
            self._wait(PACE if self._calls[name] > FREE else 0)
            try:
                return call()
            except SLACK_AWAY as error:
                if reason(error) in SHUT or tries >= len(PAUSES):
                    raise
                if reason(error) != "ratelimited":
                    tries += 1
                self._wait(_pause(error, tries))

    def _wait(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            raise EndedError


def _pause(error: Exception, tries: int) -> float:
    """Return the seconds that Slack wants us to wait, or that are kind to it."""
    if isinstance(error, SlackApiError):
        said = str((error.response.headers or {}).get("Retry-After", ""))
        if said.isdigit():
            return min(float(said), LONGEST_WAIT)
    return pause(tries)
