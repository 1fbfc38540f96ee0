"""Does what need not be done before an acknowledgement, on a few threads, with an end to it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, Final, ParamSpec

import structlog

from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

P = ParamSpec("P")

THREADS: Final = 8
MOST: Final = 2000
"""Errands that may be waiting; what comes on top of that is left undone, and logged."""


class Background:
    """Runs errands. What an errand raises is logged and goes no further."""

    def __init__(self, threads: int = THREADS, most: int = MOST) -> None:
        self._executor = eager_thread_pool(threads, "errand")
        self._most = most
        self._waiting: set[Future[None]] = set()
        self._lock = threading.Lock()

    def do(self, name: str, errand: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Run `errand` soon and say whether it will be; `name` is what the log calls it."""
        with self._lock:
            if len(self._waiting) >= self._most:
                log.error("errand left undone", errand=name, waiting=len(self._waiting))
                return False
            future = self._executor.submit(self._run, name, partial(errand, *args, **kwargs))
            self._waiting.add(future)
        future.add_done_callback(self._done)
        return True

    def close(self, within: float) -> None:
        """Finish what is waiting within so many seconds and drop the rest."""
        with self._lock:
            waiting = set(self._waiting)
        wait(waiting, timeout=within)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._waiting.discard(future)

    @staticmethod
    def _run(name: str, errand: Callable[[], Any], /) -> None:
        # One of the two nets of this process: nobody waits for an errand's error.
        try:
            errand()
        except Exception:
            log.exception("errand failed", errand=name)
