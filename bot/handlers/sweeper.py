"""Sweeper: a thread that finishes what dead bots have left undone."""

import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog

SWEEP_INTERVAL_SECONDS: Final = 5.0
"""Seconds between two looks for what dead bots have left."""

log = structlog.get_logger()


class Sweeper:
    """
    Thread that does at intervals what dead bots may have left undone, until it is stopped.

    Each of `sweeps` runs also if another one fails. Errors of the kinds `expected` are logged once
    for each interruption.
    """

    def __init__(
        self,
        name: str,
        sweeps: Iterable[Callable[[], Any]],
        expected: tuple[type[Exception], ...],
        interval_seconds: float = SWEEP_INTERVAL_SECONDS,
    ) -> None:
        """`name` is that of the thread, and is logged."""
        self._name = name
        self._sweeps = tuple(sweeps)
        self._expected = expected
        self._interval_seconds = interval_seconds
        self._failing: set[Callable[[], Any]] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run_loop, name=name, daemon=True)

    def start_thread(self) -> None:
        """Start to sweep, for the first time after one interval."""
        self._thread.start()

    def stop_thread(self) -> None:
        """Stop; another bot does the rest."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(self._interval_seconds)

    def _run_loop(self) -> None:
        while not self._stopped.wait(self._interval_seconds):
            for sweep in self._sweeps:
                self._run_sweep(sweep)

    def _run_sweep(self, sweep: Callable[[], Any]) -> None:
        try:
            sweep()
            self._failing.discard(sweep)
        except self._expected as error:
            if sweep not in self._failing:
                log.warning("sweep postponed", thread=self._name, why=type(error).__name__)
            self._failing.add(sweep)
        except Exception:
            # Safety net of the thread: it must still find what is left later.
            log.exception("sweep failed", thread=self._name)
