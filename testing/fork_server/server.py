"""`python -m testing.fork_server.server FD MODULE`: forks a process for each connection."""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Final

from testing.fork_server import TEST_PROCESS_MODULE

PRELOADED_MODULES: Final = {
    "worker.engine": (
        "worker.engine.loading.loader",
        "worker.engine.loading.torch_setup",
        "worker.engine.loading.warmup",
        "transformers.models.gpt_bigcode.modeling_gpt_bigcode",
    ),
    TEST_PROCESS_MODULE: (
        "transformers.models.gpt_bigcode.modeling_gpt_bigcode",
        "transformers.models.llama.modeling_llama",
        "transformers.models.mistral.modeling_mistral",
        "pytest",
    ),
}
"""What a module imports late; the others import all in `<module>.app`."""

MAX_REQUEST_BYTES: Final = 64 * 1024
PIPES: Final = 3


@dataclass(frozen=True, slots=True)
class Child:
    """A forked process, and the connection of the client that asked for it."""

    pid: int
    pidfd: int
    client: socket.socket

    def close_files(self) -> None:
        """Close what this process holds of the child."""
        os.close(self.pidfd)
        self.client.close()


class ForkServer:
    """Forks on request, reports each exit status, and kills the child of a client that is gone."""

    def __init__(self, module: str, listener: socket.socket) -> None:
        """Serve the connections of `listener`; each runs `module` in a separate process."""
        self._module = module
        self._listener = listener
        self._children: list[Child] = []

    def serve_connections(self) -> None:
        """Serve until stdin ends, which the tests' process holds open."""
        while True:
            exits = {child.pidfd: child for child in self._children}
            clients = {child.client: child for child in self._children}
            readable, _, _ = select.select([self._listener, sys.stdin, *exits, *clients], [], [])
            if sys.stdin in readable:
                return
            ended = [exits[found] for found in readable if found in exits]
            for child in ended:
                self._report_exit(child)
            for found in readable:
                if found in clients and clients[found] not in ended:
                    os.kill(clients[found].pid, signal.SIGKILL)
                    self._report_exit(clients[found])
            if self._listener in readable:
                self._fork_process(self._listener.accept()[0])

    def _report_exit(self, child: Child) -> None:
        self._children.remove(child)
        _, status = os.waitpid(child.pid, 0)
        with contextlib.suppress(OSError):  # the client may be gone
            child.client.send(str(os.waitstatus_to_exitcode(status)).encode())
        child.close_files()

    def _fork_process(self, client: socket.socket) -> None:
        request, pipes, _, _ = socket.recv_fds(client, MAX_REQUEST_BYTES, PIPES)
        if not request:
            client.close()  # the client died before it sent anything
            return
        pid = os.fork()
        if pid == 0:
            self._run_module(client, json.loads(request), pipes)
        for pipe in pipes:
            os.close(pipe)
        self._children.append(Child(pid, os.pidfd_open(pid), client))
        # A test may kill the client at any time; `serve_connections` then kills its child.
        with contextlib.suppress(OSError):
            client.send(str(pid).encode())

    def _run_module(
        self, client: socket.socket, request: dict[str, dict[str, str]], pipes: list[int]
    ) -> None:
        """Run the module as `python -m` does; raises the `SystemExit` that ends this process."""
        os.setsid()
        client.close()
        self._listener.close()
        for child in self._children:
            child.close_files()
        for number, pipe in enumerate(pipes):
            os.dup2(pipe, number)
            os.close(pipe)
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv[1:] = request["arguments"]
        runpy.run_module(self._module, run_name="__main__", alter_sys=True)
        sys.exit()


if __name__ == "__main__":
    served_module = sys.argv[2]
    tracer = sys.gettrace()
    sys.settrace(None)  # coverage measures no library
    for name in PRELOADED_MODULES.get(served_module, (f"{served_module}.app",)):
        importlib.import_module(name)
    sys.settrace(tracer)
    if served_module == TEST_PROCESS_MODULE:
        from testing.unit_tests import list_imported_modules  # the others do without pytest

        for name in list_imported_modules():
            # The test file that imports a broken module reports it.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    gc.freeze()  # a collection in a fork copies no page of these modules
    ForkServer(served_module, socket.socket(fileno=int(sys.argv[1]))).serve_connections()
