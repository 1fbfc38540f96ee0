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

BACKGROUND_THREADS: Final = 8
MAX_WAITING_TASKS: Final = 2000
"""Errands that may be waiting; what comes on top of that is left undone, and logged."""


class BackgroundTasks:
    """Runs errands. What an errand raises is logged and goes no further."""

    def __init__(
        self, threads: int = BACKGROUND_THREADS, max_waiting: int = MAX_WAITING_TASKS
    ) -> None:
        self._executor = eager_thread_pool(threads, "errand")
        self._max_waiting = max_waiting
        self._waiting: set[Future[None]] = set()
        self._lock = threading.Lock()

    def submit(self, name: str, task: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Run `errand` soon and say whether it will be; `name` is what the log calls it."""
        with self._lock:
            if len(self._waiting) >= self._max_waiting:
                log.error("background task dropped", task=name, waiting=len(self._waiting))
                return False
            future = self._executor.submit(self._run_task, name, partial(task, *args, **kwargs))
            self._waiting.add(future)
        future.add_done_callback(self._remove_task)
        return True

    def drain(self, timeout: float) -> None:
        """Finish what is waiting within so many seconds and drop the rest."""
        with self._lock:
            waiting = set(self._waiting)
        wait(waiting, timeout=timeout)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _remove_task(self, future: Future[None]) -> None:
        with self._lock:
            self._waiting.discard(future)

    @staticmethod
    def _run_task(name: str, task: Callable[[], Any], /) -> None:
        # One of the two nets of this process: nobody waits for an errand's error.
        try:
            task()
        except Exception:
            log.exception("background task failed", task=name)
