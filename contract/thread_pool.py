"""Pools of threads that are there from the start: later the system may have none to give."""

import threading
from concurrent.futures import ThreadPoolExecutor


def eager_thread_pool(thread_count: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of so many threads, all of which have begun."""
    executor = ThreadPoolExecutor(thread_count, thread_name_prefix=name)
    start_all_threads(executor, thread_count)
    return executor


def start_all_threads(executor: ThreadPoolExecutor, thread_count: int) -> None:
    """Begin all threads of a pool that would begin each when it is first needed."""
    # A thread that waits here is none that could do the next one's work.
    barrier = threading.Barrier(thread_count + 1)
    for _ in range(thread_count):
        executor.submit(barrier.wait)
    barrier.wait()
