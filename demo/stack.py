"""Brings the product up in order on this machine, keeps an eye on it, and takes it down again."""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self, TextIO

from redis import Redis

from contract.keys import WORKERS
from contract.worker_status import alive
from demo import services
from demo.page_client import Page
from demo.processes import Child, stop
from demo.valkey import Valkey

START: Final = 60.0
"""Seconds in which a process must be up; the worker may take longer, while it loads its model."""
LOAD: Final = 600.0
"""Seconds that the model may take."""
TURN: Final = 0.1
"""Seconds between two looks at what is not there yet."""

Told = Callable[[str], None]
"""Hears what is being waited for."""


class StageError(Exception):
    """The demo cannot go on; the message is for the person, its first line says what failed."""


class AlreadyRunningError(Exception):
    """Another demo of this checkout runs; the message is its page's address, once it has one."""


class Stage:
    """The workspace, the queue, the bot and the worker of one demo; its data lie in `home`."""

    _lock: TextIO

    def __init__(self, home: Path, port: int = services.PORT) -> None:
        """Prepare; nothing runs yet."""
        self._home, self._port = home, port
        self._address = home / "address"
        self._valkey = Valkey(home / "valkey")
        self._children: list[Child] = []
        self.page = Page("")

    def __enter__(self) -> Self:
        """Take this checkout's demo for ourselves. Raises `AlreadyRunningError`."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._lock = (self._home / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise AlreadyRunningError(self._address.read_text("utf-8")) from None
        self._address.write_text("", "utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running."""
        stop(self._children)
        self._valkey.stop()
        self._lock.close()

    def start(self, tell: Told) -> Page:
        """Bring everything up and return the page. Raises `StageError` for what does not."""
        tell("starting Valkey")
        self._valkey.start()
        with Redis.from_url(self._valkey.url) as client:
            client.delete(WORKERS)  # what the last run's worker said before it was killed
        tell("starting the workspace")
        fakeslack = self._child(services.FAKESLACK, "--port", str(services.free(self._port)))
        self._until(lambda: fakeslack.announced() is not None, START)
        self.page = Page(str(fakeslack.announced()))
        tell("starting the bot and the worker")
        self._child(services.BOT)
        self._child(services.WORKER)
        self._until(self.page.connected, START)
        tell("loading the model; the first start unpacks it, which takes a minute")
        self._until(self._loaded, LOAD)
        self._address.write_text(self.page.address, "utf-8")
        return self.page

    def check(self) -> None:
        """Bring Valkey back if it has died; raise `StageError` for any other process."""
        if self._valkey.pid() is None:
            self._valkey.start()
        for child in self._children:
            status = child.status()
            if status is not None:
                words = f"{child.name} ended with status {status}, see {child.log}"
                raise StageError(f"{words}\n{child.last_words()}".rstrip())

    def _child(self, room: str, *arguments: str) -> Child:
        variables = services.environment(self._home, page=self.page.address, redis=self._valkey.url)
        log = self._home / "logs" / f"{room}.log"
        command = services.command(room, *arguments)
        child = Child(room, command, log=log, environment=variables)
        self._children.append(child)
        return child

    def _until(self, done: Callable[[], bool], within: float) -> None:
        until = time.monotonic() + within
        while not done():
            self.check()
            if time.monotonic() > until:
                raise StageError(f"not up after {within:.0f} s, see {self._home / 'logs'}")
            time.sleep(TURN)

    def _loaded(self) -> bool:
        with Redis.from_url(self._valkey.url) as client:
            seconds, microseconds = client.time()
            beats = alive(client.hgetall(WORKERS), seconds + microseconds / 1e6)
        return any(not beat.loading for beat in beats)
