"""
Thread pools that start all their threads at once.

The standard library starts each thread on demand, and then the system may refuse another one.
"""

import threading
from concurrent.futures import ThreadPoolExecutor


def eager_thread_pool(thread_count: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of `thread_count` threads, all of them started."""
    executor = ThreadPoolExecutor(thread_count, thread_name_prefix=name)
    start_all_threads(executor, thread_count)
    return executor


def start_all_threads(executor: ThreadPoolExecutor, thread_count: int) -> None:
    """Start every thread of a pool that would otherwise start them on demand."""
    # A thread that waits at the barrier cannot take the next task, so the pool starts another.
    barrier = threading.Barrier(thread_count + 1)
    for _ in range(thread_count):
        executor.submit(barrier.wait)
    barrier.wait()
