"""
Waiting line: shows below a thread how many questions are ahead, while that changes.

The placeholder tells the first place. Every ten seconds, a status line tells the newer ones. Slack
removes it after two minutes, or when a worker begins: its session takes the place of the line.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job as RqJob

from bot.concurrency import BackgroundTasks
from bot.handlers.presence.extra_calls import ExtraCalls, ExtraKind
from bot.handlers.presence.texts import describe_place
from bot.slack.poster import Poster
from bot.store.client import decode_reply
from contract import keys
from contract.job import Thread
from contract.language import Language

log = structlog.get_logger()

REFRESH_SECONDS: Final = 10.0
"""Seconds between two looks at the line."""
MAX_SILENCE_SECONDS: Final = 60.0
"""Seconds after which a look that was planned counts as dropped: too many tasks waited."""
RENEW_SECONDS: Final = 90.0
"""Seconds after which a line is shown again, before Slack removes it."""
MAX_WATCHED: Final = 1_000
"""Questions that one bot watches; further ones keep what their placeholder says."""
MAX_CALLS: Final = 5
"""Lines that one look changes."""
WAITING_STATUSES: Final = frozenset({"queued", "deferred"})


@dataclass(frozen=True, slots=True)
class WatchedQuestion:
    """Question that waits: the place that its thread shows, and since when (s); 0 for never."""

    thread: Thread
    job: str
    place: int
    language: Language
    shown_at: float = 0.0


@dataclass(slots=True)
class WaitingLine:
    """Watches the questions whose placeholders this bot has posted."""

    redis: Redis
    calls: ExtraCalls
    poster: Poster
    background: BackgroundTasks
    read_clock: Callable[[], float] = time.monotonic
    _num_looks: int = 0
    _planned_at: float = 0.0
    """When the last look was planned (s)."""
    _watched: dict[str, WatchedQuestion] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch_question(self, thread: Thread, job: str, place: int, language: Language) -> None:
        """Show the changes of a question's place, in a language, until a worker begins."""
        with self._lock:
            is_dropped = self.read_clock() - self._planned_at > MAX_SILENCE_SECONDS
            needs_look = not self._watched or is_dropped
            if len(self._watched) < MAX_WATCHED:
                self._watched[job] = WatchedQuestion(thread, job, place, language)
        if needs_look:
            self._refresh_later()

    def refresh_lines(self) -> None:
        """Look at the line once, and show what has changed. Raises `RedisError`."""
        with self._lock:
            watched = sorted(self._watched.values(), key=lambda question: question.shown_at)
        places = self._read_places(watched)
        remaining = MAX_CALLS
        for question in watched:
            place = places[question.job]
            if place is None:
                self._end_watch(question)
            elif remaining and self._is_due(question, place):
                remaining -= 1
                self._show_place(question, place)

    def show_status(self, thread: Thread, status: str) -> bool:
        """Show a status line below a thread if Slack takes it now; an empty one removes it."""
        return self.calls.try_call(
            ExtraKind.STATUS, lambda: self.poster.try_to_set_status(thread, status)
        )

    def _is_due(self, question: WatchedQuestion, place: int) -> bool:
        if place != question.place:
            return True
        age = self.read_clock() - question.shown_at
        return bool(question.shown_at) and age >= RENEW_SECONDS

    def _show_place(self, question: WatchedQuestion, place: int) -> None:
        status = describe_place(place).translate(question.language)
        if self.show_status(question.thread, status):
            shown = replace(question, place=place, shown_at=self.read_clock())
            with self._lock:
                self._watched[question.job] = shown

    def _end_watch(self, question: WatchedQuestion) -> None:
        with self._lock:
            self._watched.pop(question.job, None)
        team = question.thread.team
        # With sessions, the line is the worker's by now.
        if question.shown_at and self.redis.exists(keys.session_latch(team)):
            self.show_status(question.thread, "")

    def _read_places(self, watched: list[WatchedQuestion]) -> dict[str, int | None]:
        """Return how many questions are ahead of each one; `None` for one that does not wait."""
        with self.redis.pipeline(transaction=False) as pipe:
            for question in watched:
                pipe.hget(RqJob.key_for(question.job), "status")
                pipe.zrank(keys.PENDING_JOBS, question.job)
            found: list[Any] = pipe.execute()
        places: dict[str, int | None] = {}
        for number, question in enumerate(watched):
            status, rank = found[2 * number : 2 * number + 2]
            is_waiting = status is not None and decode_reply(status) in WAITING_STATUSES
            places[question.job] = rank if is_waiting else None
        return places

    def _refresh_later(self) -> None:
        with self._lock:
            self._num_looks += 1
            self._planned_at = self.read_clock()
            look = self._num_looks
        self.background.submit_after(REFRESH_SECONDS, "waiting line", self._refresh, look)

    def _refresh(self, look: int) -> None:
        with self._lock:
            if look != self._num_looks:
                # Another one is planned by now.
                return
        try:
            self.refresh_lines()
        except RedisError as error:
            log.warning("waiting line not read", why=type(error).__name__)
        with self._lock:
            is_empty = not self._watched
        if not is_empty:
            self._refresh_later()
