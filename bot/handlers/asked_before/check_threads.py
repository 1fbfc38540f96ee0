"""Threads of answer checks: a check without a free thread is not made, as it would come late."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeVar, TypeVarTuple

from contract.thread_pool import eager_thread_pool

CHECK_THREADS: Final = 4

Result = TypeVar("Result")
Values = TypeVarTuple("Values")


class CheckThreads:
    """A few threads without a queue. Thread-safe."""

    def __init__(self, threads: int = CHECK_THREADS) -> None:
        self._pool = eager_thread_pool(threads, "earlier")
        self._free = threading.BoundedSemaphore(threads)

    def start_check(
        self, check: Callable[[*Values], Result], *values: *Values
    ) -> Future[Result] | None:
        """Start a check on a free thread; `None` if there is none, or after `stop_threads`."""
        if not self._free.acquire(blocking=False):
            return None
        try:
            return self._pool.submit(self._run_check, partial(check, *values))
        except RuntimeError:
            self._free.release()
            return None

    def stop_threads(self) -> None:
        """Start no more checks, and wait for none."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run_check(self, check: Callable[[], Result]) -> Result:
        try:
            return check()
        finally:
            self._free.release()
