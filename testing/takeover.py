"""A worker that sleeps while another one fails, and then goes on in its place."""

import signal

from contract import keys
from testing.processes import Process
from testing.worker_harness import Desk


class Survivor:
    """A worker that sleeps until it is needed."""

    def __init__(self, desk: Desk, process: Process) -> None:
        self._desk = desk
        self._process = process

    def sleep(self) -> None:
        """Stand still, as if there were no such worker."""
        self._process.signal(signal.SIGSTOP)
        self._desk.redis.delete(keys.WORKERS)

    def wake(self) -> None:
        """Go on."""
        self._process.signal(signal.SIGCONT)
