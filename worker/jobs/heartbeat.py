"""
Heartbeat thread: renews the leases of all jobs that this worker runs.

It is a separate thread, so that a slow library call on the event loop costs no lease.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import redis
import structlog

from contract import keys
from worker import scripts
from worker.aio import STOP_STEP_SECONDS
from worker.jobs.leases import STARTED_REGISTRY, Lease

STALL_SECONDS: Final = 30.0
"""Seconds without a tick of the event loop after which the worker counts as hung."""

log = structlog.get_logger()


class Heartbeat:
    """
    Renews leases at an interval.

    If the event loop has not ticked for `stall_seconds`, the renewals pause: a hung worker must
    lose its jobs to a live one.
    """

    def __init__(
        self,
        connection: redis.Redis,
        lease_seconds: float,
        interval: float,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """Renew every `interval` seconds; `connection` needs a short timeout."""
        self._stall_seconds = stall_seconds
        self._connection = connection
        self._renew_script = connection.register_script(scripts.RENEW_LEASE)
        self._lease_ms = int(lease_seconds * 1000)
        self._interval = interval
        self._on_lost: Callable[[Lease], object] = log.warning
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._last_tick = time.monotonic()
        self._last_failure = -float("inf")
        self._thread = threading.Thread(
            target=self._renew_periodically, name="heartbeat", daemon=True
        )

    def start_beats(self, on_lost: Callable[[Lease], object]) -> None:
        """Start the thread. It calls `on_lost` for each lease that is lost."""
        self._on_lost = on_lost
        self._thread.start()

    def stop_beats(self) -> None:
        """Stop the thread and join it, unless it waits for a Redis that hangs."""
        self._stopping.set()
        self._thread.join(STOP_STEP_SECONDS)

    def record_tick(self) -> None:
        """Record that the event loop ticks."""
        self._last_tick = time.monotonic()

    def add_lease(self, lease: Lease) -> None:
        """Renew this lease from now on."""
        with self._lock:
            self._leases[lease.job_id] = lease

    def remove_lease(self, lease: Lease) -> None:
        """Renew this lease no longer."""
        with self._lock:
            if self._leases.get(lease.job_id) == lease:
                del self._leases[lease.job_id]

    def is_healthy(self) -> bool:
        """Return whether the event loop ticks and the thread runs."""
        return self._thread.is_alive() and self._tick_age() < self._stall_seconds

    def seconds_since_failure(self) -> float:
        """Return the seconds since a renewal last failed."""
        return time.monotonic() - self._last_failure

    def _tick_age(self) -> float:
        return time.monotonic() - self._last_tick

    def _renew_periodically(self) -> None:
        while not self._stopping.wait(self._interval):
            if self._tick_age() >= self._stall_seconds:
                log.error("event loop stalled", seconds=round(self._tick_age()))
                continue
            try:
                self._renew_leases()
            except redis.RedisError as error:
                self._last_failure = time.monotonic()
                log.warning("heartbeat failed", error=type(error).__name__)

    def _renew_leases(self) -> None:
        with self._lock:
            leases = list(self._leases.values())
        with self._connection.pipeline(transaction=False) as pipeline:
            pipeline.ping()
            for lease in leases:
                self._renew_script(
                    keys=[keys.job_lease(lease.job_id), STARTED_REGISTRY],
                    args=[lease.execution_id, lease.member, self._lease_ms],
                    client=pipeline,
                )
            _, *renewed = pipeline.execute()
        for lease, is_renewed in zip(leases, renewed, strict=True):
            if not is_renewed:
                self.remove_lease(lease)
                self._on_lost(lease)
