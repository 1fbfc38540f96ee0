"""Pools of threads that are there from the start: later the system may have none to give."""

import threading
from concurrent.futures import ThreadPoolExecutor


def pool(threads: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of so many threads, all of which have begun."""
    made = ThreadPoolExecutor(threads, thread_name_prefix=name)
    begin(made, threads)
    return made


def begin(made: ThreadPoolExecutor, threads: int) -> None:
    """Begin all threads of a pool that would begin each when it is first needed."""
    # A thread that waits here is none that could do the next one's work.
    met = threading.Barrier(threads + 1)
    for _ in range(threads):
        made.submit(met.wait)
    met.wait()
