"""
Fork servers: the processes of tests start without importing anything.

The suite starts some three hundred bots, workers, workspaces and engines. Importing their modules
takes a bot or worker a second of a core, and an engine five. A server imports one module's code
once, and forks for each start. From the first line of `__main__`, all is as in the product: a
process with its own session, environment, pipes, signals and exit status.

A parallel run's test processes are forks too, of a server that has imported all modules that test
files import. Coverage traces these imports in the server.

A worker starts its engine itself, by `python -m worker.engine`. In the environment that
`forked_engine_environment` returns, `sitecustomize.py` asks for a fork in its place. Of the
signals, only a deadly one reaches that fork; `process_tree.find_fork` finds the fork itself.
A test that looks into an engine's process does without this environment.
"""

import atexit
import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from testing.environment import COVERAGE_VARIABLES, REPOSITORY, TRACE_PROCESSES, clean_environment
from worker.engine.child_process import build_environment

FORKED_MODULES: Final = ("bot", "worker", "fakeslack", "worker.engine")
TEST_PROCESS_MODULE: Final = "testing.fork_server.test_process"
SERVER_DIRECTORY: Final = "FORK_SERVERS"
"""Environment variable: directory with the sockets of servers that another process started."""
STARTUP_FILE: Final = Path(__file__).with_name("sitecustomize.py")
MAX_REPLY_BYTES: Final = 32


class ForkedProcess:
    """A process that a fork server runs, with the part of `subprocess.Popen` that tests use."""

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        """Run `python -m <module>` with these arguments; stdout and stderr share a pipe."""
        self._arguments = [module, *arguments]
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.connect(str(server_directory(module) / f"{module}.sock"))
        self._lock = threading.Lock()
        self.returncode: int | None = None
        read_end, write_end = os.pipe()
        self.stdout = os.fdopen(read_end, encoding="utf-8")
        request = {"arguments": list(arguments), "environment": dict(environment)}
        with Path(os.devnull).open("rb") as no_input:
            pipes = [no_input.fileno(), write_end, write_end]
            socket.send_fds(self._server, [json.dumps(request).encode()], pipes)
        os.close(write_end)
        self.pid = int(self._server.recv(MAX_REPLY_BYTES))

    def poll(self) -> int | None:
        """Return the exit status, `None` while the process runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status. Raises `TimeoutExpired` if the process runs after `timeout` s."""
        with self._lock:
            if self.returncode is None:
                self._server.settimeout(timeout)
                try:
                    self.returncode = int(self._server.recv(MAX_REPLY_BYTES))
                except (BlockingIOError, TimeoutError):
                    raise subprocess.TimeoutExpired(self._arguments, timeout or 0.0) from None
                self._server.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


def forks_by_default(module: str) -> bool:
    """Whether pytest runs, without tracing processes, and a server can fork the module."""
    is_traced = bool(os.environ.get(TRACE_PROCESSES))
    return module in FORKED_MODULES and "PYTEST_VERSION" in os.environ and not is_traced


def forked_engine_environment() -> dict[str, str]:
    """Return the variable that workers need to get their engines from the fork server."""
    return {"PYTHONPATH": str(server_directory("worker.engine"))}


class EngineGate:
    """Holds back the engine of a worker, which gets `environment`, until `open_gate`."""

    def __init__(self, directory: Path) -> None:
        """Close the gate, which is a pipe in `directory`."""
        self._pipe = directory / "gate"
        os.mkfifo(self._pipe)
        for file in server_directory("worker.engine").iterdir():
            (directory / file.name).symlink_to(file)
        self.environment = {"PYTHONPATH": str(directory)}

    def open_gate(self) -> None:
        """Wait for the first engine, and let it and all later ones load their model."""
        self._pipe.open("wb").close()
        self._pipe.unlink()


def share_servers() -> str:
    """Start all servers for a parallel test run; return xdist's specification of its processes."""
    directory = _create_directory()
    for module in (TEST_PROCESS_MODULE, *FORKED_MODULES):
        _start_server(module, directory)
    os.environ[SERVER_DIRECTORY] = str(directory)
    # Without `site`, which imports what the fork has already.
    return f"popen//python={sys.executable} -IS {directory / STARTUP_FILE.name}"


@functools.cache
def server_directory(module: str) -> Path:
    """Return the directory with the socket of a module's server, started at the first call."""
    if SERVER_DIRECTORY in os.environ:
        return Path(os.environ[SERVER_DIRECTORY])
    directory = _create_directory()
    _start_server(module, directory)
    return directory


def _create_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="forks-"))
    (directory / STARTUP_FILE.name).symlink_to(STARTUP_FILE)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _start_server(module: str, directory: Path) -> None:
    """Start a server, which ends with this process."""
    names = COVERAGE_VARIABLES if module == TEST_PROCESS_MODULE else ()
    traced = {name: os.environ[name] for name in names if name in os.environ}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        # Bound here: a client may connect before the server has imported anything.
        listener.bind(str(directory / f"{module}.sock"))
        listener.listen(128)
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__name__}.server", str(listener.fileno()), module],
            cwd=REPOSITORY,
            env=build_environment(clean_environment()) | traced,
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    atexit.register(process.communicate)
