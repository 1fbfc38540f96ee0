"""The whole product as local processes: ordered start, health checks and shutdown."""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self, TextIO

from redis import Redis

from contract.keys import WORKER_STATUSES
from contract.worker_status import live_workers
from demo import services
from demo.page_client import PageClient
from demo.processes import DemoProcess, stop_processes
from demo.valkey import Valkey

START_TIMEOUT_SECONDS: Final = 60.0
"""Seconds until a process must be ready; loading the model has its own limit."""
LOAD_TIMEOUT_SECONDS: Final = 600.0
"""Seconds until the model must be loaded."""
POLL_INTERVAL_SECONDS: Final = 0.1
"""Seconds between two checks while waiting."""

ProgressCallback = Callable[[str], None]
"""Receives a short description of the current step."""


class StackError(Exception):
    """A part of the demo failed; the message's first line names it for the person."""


class AlreadyRunningError(Exception):
    """Another demo of this checkout is running; the message is its page's address, or empty."""


class Stack:
    """Workspace, queue, bot and worker of one demo, with their data in `home`."""

    _lock: TextIO

    def __init__(
        self,
        home: Path,
        port: int = services.DEFAULT_PORT,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare paths; start nothing yet. `warn` receives what the person should know."""
        self._home, self._port = home, port
        self._address_file = home / "address"
        self._valkey = Valkey(home / "valkey", warn=warn)
        self._processes: list[DemoProcess] = []
        self.client = PageClient("")

    def __enter__(self) -> Self:
        """Lock this checkout's demo. Raises `AlreadyRunningError` if the lock is taken."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._lock = (self._home / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise AlreadyRunningError(self._address_file.read_text("utf-8")) from None
        self._address_file.write_text("", "utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all processes and release the lock."""
        stop_processes(self._processes)
        self._valkey.stop_server()
        self._lock.close()

    def start_services(self, report_progress: ProgressCallback) -> PageClient:
        """Start all services and return the page client. Raises `StackError` if one fails."""
        report_progress("starting Valkey")
        self._valkey.ensure_running()
        with Redis.from_url(self._valkey.url) as client:
            client.delete(WORKER_STATUSES)  # the status of a killed worker of the last run
        report_progress("starting the workspace")
        fakeslack = self._start_service(
            services.FAKESLACK, "--port", str(services.choose_port(self._port))
        )
        self._wait_until(lambda: fakeslack.find_address() is not None, START_TIMEOUT_SECONDS)
        self.client = PageClient(str(fakeslack.find_address()))
        report_progress("starting the bot and the worker")
        self._start_service(services.BOT)
        self._start_service(services.WORKER)
        self._wait_until(self.client.is_bot_connected, START_TIMEOUT_SECONDS)
        report_progress("loading the model; the first start unpacks it, which takes a minute")
        self._wait_until(self._is_model_loaded, LOAD_TIMEOUT_SECONDS)
        self._address_file.write_text(self.client.address, "utf-8")
        return self.client

    def check_services(self) -> None:
        """Restart Valkey if it has died. Raises `StackError` if any other process has ended."""
        if self._valkey.query_pid() is None:
            self._valkey.ensure_running()
        for process in self._processes:
            status = process.poll_status()
            if status is not None:
                summary = f"{process.name} exited with status {status}, see {process.log}"
                raise StackError(f"{summary}\n{process.read_log_tail()}".rstrip())

    def _start_service(self, service: str, *arguments: str) -> DemoProcess:
        variables = services.build_environment(
            self._home, page_url=self.client.address, redis_url=self._valkey.url
        )
        log = self._home / "logs" / f"{service}.log"
        command = services.build_command(service, *arguments)
        process = DemoProcess(service, command, log=log, environment=variables)
        self._processes.append(process)
        return process

    def _wait_until(self, condition: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            self.check_services()
            if time.monotonic() > deadline:
                raise StackError(
                    f"the services did not start within {timeout:.0f} s, see {self._home / 'logs'}"
                )
            time.sleep(POLL_INTERVAL_SECONDS)

    def _is_model_loaded(self) -> bool:
        with Redis.from_url(self._valkey.url) as client:
            seconds, microseconds = client.time()
            workers = live_workers(client.hgetall(WORKER_STATUSES), seconds + microseconds / 1e6)
        return any(not worker.loading for worker in workers)
