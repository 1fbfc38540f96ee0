"""
Gaps in Slack's deliveries over HTTP, which a bot that ran all the time may have missed. Pure.

A proxy, a tunnel or a certificate can fail while the bot is well. Then no request comes, and the
next ones are retries. Silence alone is no sign: people may have nothing to say.
"""

import math
import threading
from typing import Final

MIN_GAP_SECONDS: Final = 300.0
"""Silence (s) that counts: Slack's last retry of an event comes later than that."""
CONFIRMATION_SECONDS: Final = 420.0
"""Seconds after a silence in which a retry tells of it."""


class DeliveryGaps:
    """Times of deliveries, as seconds since the epoch by one clock. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_at = math.inf
        self._silence = (math.inf, -math.inf)
        self._gap_since: float | None = None

    def start_at(self, now: float) -> None:
        """Begin to watch."""
        self._last_at = now

    def note_delivery(self, now: float, *, is_retry: bool) -> None:
        """Note a delivery; `is_retry` is whether Slack has tried it before."""
        with self._lock:
            since, until = self._silence
            if now - self._last_at >= MIN_GAP_SECONDS:
                is_same = now - until <= CONFIRMATION_SECONDS
                since, until = since if is_same else self._last_at, now
                self._silence = since, until
            self._last_at = now
            if is_retry and now - until <= CONFIRMATION_SECONDS:
                self._gap_since = since if self._gap_since is None else min(self._gap_since, since)
                self._silence = math.inf, -math.inf

    def find_gap(self) -> float | None:
        """Return when the last delivery before a gap came; `None` without a gap."""
        return self._gap_since

    def close_gap(self, since: float) -> None:
        """Forget a gap that was filled, unless a longer one was found in the meantime."""
        with self._lock:
            if self._gap_since == since:
                self._gap_since = None
