"""`python -m testing.engine_fork_server.server FD`: forks an engine for each connection."""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from typing import Final

from worker.engine.__main__ import main

PRELOADED_MODULES: Final = (
    "worker.engine.loading.loader",
    "worker.engine.loading.torch_setup",
    "worker.engine.loading.warmup",
    "transformers.models.gpt_bigcode.modeling_gpt_bigcode",
)
"""What the engine imports when it loads a checkpoint of the tests."""

MAX_REQUEST_BYTES: Final = 64 * 1024
PIPES: Final = 3


def serve_connections(listener: socket.socket) -> None:
    """Fork an engine for each connection until stdin ends, which the tests' process holds open."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the engines
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in readable:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            run_engine(connection)
        connection.close()


def run_engine(connection: socket.socket) -> None:
    """Run the engine on the client's pipes, send its exit status to the client, and exit."""
    request, pipes, _, _ = socket.recv_fds(connection, MAX_REQUEST_BYTES, PIPES)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
        os.close(pipe)
    os.environ.clear()
    os.environ.update(json.loads(request))
    threading.Thread(target=die_with_client, args=(connection.fileno(),), daemon=True).start()
    status = main()
    # The engine's sandbox may forbid the system calls of sockets, but not this one.
    os.write(connection.fileno(), bytes([status]))
    os._exit(status)


def die_with_client(connection: int) -> None:
    """Kill this process when the client's end of the connection is gone."""
    os.read(connection, 1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    for module in PRELOADED_MODULES:
        importlib.import_module(module)
    gc.freeze()  # a collection in a fork copies no page of these modules
    serve_connections(socket.socket(fileno=int(sys.argv[1])))
