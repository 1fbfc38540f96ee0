"""
Circuit breaker for Slack's refusals of the whole app, such as a revoked token.

- Closed: Slack accepts the app.
- Open: Slack has refused it. Nothing is called but `auth.test`, at growing intervals.
- Half open (on trial): `auth.test` succeeded. One piece of work is tried; its success closes the
  breaker, another refusal opens it for longer. Slow work is waited for.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

log = structlog.get_logger()

PROBE_METHOD: Final = "auth.test"
"""Method that checks whether Slack accepts the app; it has no effect."""
MIN_PROBE_DELAY_SECONDS: Final = 1.0
"""Seconds from the first refusal to the first probe; doubled after each further refusal."""
MAX_PROBE_DELAY_SECONDS: Final = 30.0
TRIAL_SECONDS: Final = 10.0
"""Seconds without work and without a refusal after which a trial ends as passed."""
MAX_TRIAL_SECONDS: Final = 900.0
"""Seconds after which a trial ends although its work has not: the work may hang."""


class AppAccess:
    """Whether Slack accepts the app, as the results of all calls of a process show. Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` returns seconds of a clock that never goes back."""
        self._now = now
        self._changed = threading.Condition()
        self._refused_methods: dict[str, str] = {}
        self._probe_delay = 0.0
        self._next_probe_at = 0.0
        self._trial_since: float | None = None
        self._num_running = 0
        self._was_accepted = False

    @property
    def refusal(self) -> str | None:
        """Slack's error name if the app is refused or on trial; `None` if it is accepted."""
        with self._changed:
            self._end_passed_trial()
            return next(reversed(self._refused_methods.values()), None)

    def describe_refusal(self) -> str | None:
        """Return what `/readyz` says about a refusal; `None` if the app is accepted."""
        refusal = self.refusal
        return None if refusal is None else f"Slack, which refuses the app ({refusal})"

    @property
    def is_blocked(self) -> bool:
        """Whether the breaker is open: work would be refused."""
        with self._changed:
            return self._is_open()

    @property
    def is_on_trial(self) -> bool:
        """Whether one piece of work may be tried."""
        with self._changed:
            self._end_passed_trial()
            return self._trial_since is not None

    @contextmanager
    def try_work(self) -> Iterator[None]:
        """
        Run one piece of work, for which a trial waits.

        Without an exception, it passes the trial. Otherwise it proves nothing, and time decides.
        """
        with self._changed:
            self._end_passed_trial()
            self._num_running += 1
        is_done = False
        try:
            yield
            is_done = True
        finally:
            with self._changed:
                self._num_running -= 1
                if self._trial_since is not None and is_done:
                    self._close()
                elif self._trial_since is not None:
                    self._trial_since = self._now()

    def record_refusal(self, method: str, error_name: str) -> None:
        """Record that Slack refused a call because of the whole app."""
        with self._changed:
            self._end_passed_trial()
            is_further = self._is_open() and method != PROBE_METHOD
            self._refused_methods.pop(method, None)
            self._refused_methods[method] = error_name
            if is_further:
                return
            self._trial_since = None
            self._probe_delay = min(
                MAX_PROBE_DELAY_SECONDS, max(MIN_PROBE_DELAY_SECONDS, 2 * self._probe_delay)
            )
            self._next_probe_at = self._now() + self._probe_delay
            # Before the first success this is about the start, and its caller reports it.
            report = log.error if self._was_accepted else log.debug
            report(
                "app refused by slack",
                method=method,
                error=error_name,
                next_try_seconds=self._probe_delay,
            )

    def record_success(self, method: str) -> None:
        """Record a successful call: it closes the breaker, or starts a trial after a probe."""
        with self._changed:
            self._was_accepted = True
            if not self._refused_methods:
                return
            is_refuted = self._refused_methods.pop(method, None) is not None
            if not self._refused_methods:
                self._close()
            elif method == PROBE_METHOD and self._is_open():
                self._trial_since = self._now()
            elif not is_refuted:
                return
            self._changed.notify_all()

    def start_probe(self) -> bool:
        """Return whether the caller must probe now; the next probe is then due later."""
        with self._changed:
            if not self._is_open() or self._now() < self._next_probe_at:
                return False
            self._next_probe_at = self._now() + self._probe_delay
            return True

    def wait_until_unblocked(self, timeout: float) -> bool:
        """Wait until the breaker is not open, at most `timeout` seconds; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_open(), timeout)

    def _is_open(self) -> bool:
        return bool(self._refused_methods) and self._trial_since is None

    def _end_passed_trial(self) -> None:
        limit = MAX_TRIAL_SECONDS if self._num_running else TRIAL_SECONDS
        if self._trial_since is not None and self._now() >= self._trial_since + limit:
            self._close()

    def _close(self) -> None:
        self._refused_methods.clear()
        self._probe_delay = 0.0
        self._trial_since = None
        log.info("app accepted by slack")
