"""
Startup file of a test's worker and its engine: Python imports a module of this name by itself.

In `python -m worker.engine` it gives the environment and the three pipes to the fork server. It
stays as the process that the worker knows: it exits as the fork does, and its death kills the fork.
Its name in `/proc` tells the fork's process id. Before all that it waits for `EngineGate`, if there
is one. As a script it does the same for a test process of xdist.
"""

import sys

if __name__ == "__main__" or sys.orig_argv[1:] == ["-m", "worker.engine"]:
    import json
    import os
    import socket
    from pathlib import Path

    gate = Path(__file__).with_name("gate")
    if gate.exists():
        gate.open().close()
    module = "testing.fork_server.test_process" if __name__ == "__main__" else "worker.engine"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        try:
            server.connect(str(Path(__file__).with_name(f"{module}.sock")))
        except OSError as error:
            # Python ignores errors of this module, and would start an engine that is no fork.
            os.write(2, f"no fork server: {error}\n".encode())
            os._exit(1)
        name = Path("/proc/self/comm")
        name.write_text("fork", "ascii")
        request = {"arguments": [], "environment": dict(os.environ)}
        socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
        # The pipes shall end when the fork closes them.
        os.close(0)
        os.close(1)
        name.write_text(f"fork {server.recv(32).decode()}", "ascii")
        status = int(server.recv(32) or b"1")
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)
