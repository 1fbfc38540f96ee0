"""Brings the product up in order on this machine, keeps an eye on it, and takes it down again."""

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
"""Seconds in which a process must be up; the worker may take longer, while it loads its model."""
LOAD_TIMEOUT_SECONDS: Final = 600.0
"""Seconds that the model may take."""
POLL_INTERVAL_SECONDS: Final = 0.1
"""Seconds between two looks at what is not there yet."""

ProgressCallback = Callable[[str], None]
"""Hears what is being waited for."""


class StackError(Exception):
    """The demo cannot go on; the message is for the person, its first line says what failed."""


class AlreadyRunningError(Exception):
    """Another demo of this checkout runs; the message is its page's address, once it has one."""


class Stack:
    """The workspace, the queue, the bot and the worker of one demo; its data lie in `home`."""

    _lock: TextIO

    def __init__(self, home: Path, port: int = services.DEFAULT_PORT) -> None:
        """Prepare; nothing runs yet."""
        self._home, self._port = home, port
        self._address_file = home / "address"
        self._valkey = Valkey(home / "valkey")
        self._processes: list[DemoProcess] = []
        self.client = PageClient("")

    def __enter__(self) -> Self:
        """Take this checkout's demo for ourselves. Raises `AlreadyRunningError`."""
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
        """Leave nothing running."""
        stop_processes(self._processes)
        self._valkey.stop_server()
        self._lock.close()

    def start_services(self, report_progress: ProgressCallback) -> PageClient:
        """Bring everything up and return the page. Raises `StageError` for what does not."""
        report_progress("starting Valkey")
        self._valkey.ensure_running()
        with Redis.from_url(self._valkey.url) as client:
            client.delete(WORKER_STATUSES)  # what the last run's worker said before it was killed
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
        """Bring Valkey back if it has died; raise `StageError` for any other process."""
        if self._valkey.query_pid() is None:
            self._valkey.ensure_running()
        for process in self._processes:
            status = process.poll_status()
            if status is not None:
                summary = f"{process.name} ended with status {status}, see {process.log}"
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
                raise StackError(f"not up after {timeout:.0f} s, see {self._home / 'logs'}")
            time.sleep(POLL_INTERVAL_SECONDS)

    def _is_model_loaded(self) -> bool:
        with Redis.from_url(self._valkey.url) as client:
            seconds, microseconds = client.time()
            workers = live_workers(client.hgetall(WORKER_STATUSES), seconds + microseconds / 1e6)
        return any(not beat.loading for beat in workers)
