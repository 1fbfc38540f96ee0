"""A worker that sleeps while another one fails, and then goes on in its place."""

import signal

from contract import keys
from testing.processes import Process
from testing.worker_harness import WorkerHarness


class StandbyWorker:
    """A worker that sleeps until it is needed."""

    def __init__(self, harness: WorkerHarness, process: Process) -> None:
        self._harness = harness
        self._process = process

    def pause_worker(self) -> None:
        """Stand still, as if there were no such worker."""
        self._process.send_signal(signal.SIGSTOP)
        self._harness.redis.delete(keys.WORKER_STATUSES)

    def resume_worker(self) -> None:
        """Go on."""
        self._process.send_signal(signal.SIGCONT)
