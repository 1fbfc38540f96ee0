"""A mutex per key, an alarm clock, and a bounded thread pool for background work."""

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, ParamSpec

import structlog

from contract.progress_watch import ProgressWatch
from contract.thread_pool import eager_thread_pool

log = structlog.get_logger()

P = ParamSpec("P")

BACKGROUND_THREADS: Final = 8
MAX_RECENT_KEYS: Final = 1000
"""Keys that are remembered: far more than Slack delivers between the two events of a mention."""
MAX_TIMER_WAIT_SECONDS: Final = 60.0
"""Longest wait of the timer; each delayed task wakes it earlier."""
MAX_WAITING_TASKS: Final = 2000
"""Tasks that may wait for a thread; further ones are dropped and logged."""


class KeyedLock:
    """
    A mutex per key; keys without a holder take no memory.

    Slack delivers a mention as two concurrent events: the second waits for the first.
    """

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold the lock of a key; wait for the present holder first."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._guard:
                if not lock.locked():
                    self._locks.pop(key, None)

    def wait_until_free(self, key: str) -> bool:
        """Wait until no thread holds a key; return whether one did."""
        with self._guard:
            is_held = key in self._locks
        if is_held:
            with self.hold(key):
                pass
        return is_held


class RecentKeys:
    """The keys that were added last, at most `max_keys`. Thread-safe."""

    def __init__(self, max_keys: int = MAX_RECENT_KEYS) -> None:
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._keys: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """Add a key, and drop the oldest one beyond the maximum."""
        with self._lock:
            self._keys[key] = None
            if len(self._keys) > self._max_keys:
                del self._keys[next(iter(self._keys))]


class AlarmClock:
    """
    Wakes one waiting thread at the times that other threads have set.

    The woken thread may also wait while others do work that comes first.
    """

    def __init__(self) -> None:
        self._alarms: list[float] = []
        self._num_urgent = 0
        self._is_stopped = False
        self._changed = threading.Condition()

    def set_alarm(self, delay: float = 0.0) -> None:
        """Wake the waiting thread in `delay` seconds."""
        with self._changed:
            heapq.heappush(self._alarms, time.monotonic() + delay)
            self._changed.notify_all()

    def wait(self, max_seconds: float) -> bool:
        """Wait for the next alarm, at most `max_seconds`; return whether the clock still runs."""
        deadline = time.monotonic() + max_seconds
        with self._changed:
            while not self._is_stopped:
                next_at = min(self._alarms[0], deadline) if self._alarms else deadline
                seconds = next_at - time.monotonic()
                if seconds <= 0:
                    break
                self._changed.wait(seconds)
            while self._alarms and self._alarms[0] <= time.monotonic():
                heapq.heappop(self._alarms)
            return not self._is_stopped

    @contextmanager
    def hold_back(self) -> Iterator[None]:
        """Do work that comes before that of the woken thread."""
        with self._changed:
            self._num_urgent += 1
        try:
            yield
        finally:
            with self._changed:
                self._num_urgent -= 1
                if not self._num_urgent:
                    self._changed.notify_all()

    def wait_for_urgent_work(self, max_seconds: float) -> None:
        """Wait until no thread does work that comes first, at most `max_seconds`."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or not self._num_urgent, timeout=max(0.0, max_seconds)
            )

    def stop(self) -> None:
        """End the present wait and all later ones."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()


class BackgroundTasks:
    """
    Thread pool whose tasks may run after the acknowledgement; their errors are logged.

    A task that raises one of `postponing` is kept, and runs again after `resume_postponed`.
    """

    def __init__(
        self,
        threads: int = BACKGROUND_THREADS,
        max_waiting: int = MAX_WAITING_TASKS,
        *,
        postponing: tuple[type[Exception], ...] = (),
    ) -> None:
        self._executor = eager_thread_pool(threads, "background")
        self._max_waiting = max_waiting
        self._waiting: set[Future[None]] = set()
        self._lock = threading.Lock()
        self._postponing = postponing
        self._postponed: list[tuple[str, Callable[[], Any]]] = []
        self._delayed: list[tuple[float, int, str, Callable[[], Any]]] = []
        self._numbers = itertools.count()
        self._alarm = AlarmClock()
        self._is_draining = False
        self._timer = threading.Thread(target=self._submit_delayed_tasks, name="timer", daemon=True)
        self._timer.start()
        self.watch = ProgressWatch()

    def submit(self, name: str, task: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Run a task on a thread of the pool; return whether there was room. The log has `name`."""
        with self._lock:
            if len(self._waiting) >= self._max_waiting:
                log.error("background task dropped", task=name, waiting=len(self._waiting))
                return False
            future = self._executor.submit(self._run_task, name, partial(task, *args, **kwargs))
            self._waiting.add(future)
            self.watch.start_work()
        future.add_done_callback(self._remove_task)
        return True

    def submit_after(
        self,
        delay: float,
        name: str,
        task: Callable[P, Any],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Submit a task in `delay` seconds, or when the tasks are drained, if that is earlier."""
        due = time.monotonic() + delay
        with self._lock:
            if self._is_draining:
                return
            call: Callable[[], Any] = partial(task, *args, **kwargs)
            heapq.heappush(self._delayed, (due, next(self._numbers), name, call))
        self._alarm.set_alarm(delay)

    def resume_postponed(self) -> None:
        """Run the postponed tasks again."""
        with self._lock:
            postponed, self._postponed = self._postponed, []
        for name, task in postponed:
            self.submit(name, task)

    def drain(self, timeout: float) -> None:
        """Finish waiting tasks within `timeout` seconds and drop the rest."""
        with self._lock:
            self._is_draining = True
        self._alarm.stop()
        self._timer.join()
        with self._lock:
            waiting = set(self._waiting)
        wait(waiting, timeout=timeout)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit_delayed_tasks(self) -> None:
        """Submit each delayed task when it is due, and the rest when the tasks are drained."""
        is_running = True
        while is_running:
            is_running = self._alarm.wait(MAX_TIMER_WAIT_SECONDS)
            now = time.monotonic() if is_running else math.inf
            for name, task in self._pop_delayed_tasks(now):
                self.submit(name, task)

    def _pop_delayed_tasks(self, now: float) -> list[tuple[str, Callable[[], Any]]]:
        found: list[tuple[str, Callable[[], Any]]] = []
        with self._lock:
            while self._delayed and self._delayed[0][0] <= now:
                _, _, name, task = heapq.heappop(self._delayed)
                found.append((name, task))
        return found

    def _remove_task(self, future: Future[None]) -> None:
        with self._lock:
            self._waiting.discard(future)
            self.watch.end_work()

    def _run_task(self, name: str, task: Callable[[], Any], /) -> None:
        # Safety net of the background threads: no caller waits for a task's error.
        try:
            task()
        except self._postponing:
            with self._lock:
                if len(self._postponed) < self._max_waiting:
                    self._postponed.append((name, task))
                    return
            log.error("background task dropped", task=name, waiting=self._max_waiting)  # noqa: TRY400
        except Exception:
            log.exception("background task failed", task=name)
