"""
Startup file of a test's worker and its engine: Python imports a module of this name by itself.

In `python -m worker.engine` it gives the environment and the three pipes to the fork server. It
stays as the process that the worker knows: it exits as the fork does, and its death kills the fork.
"""

import sys

if sys.orig_argv[1:] == ["-m", "worker.engine"]:
    import json
    import os
    import socket
    from pathlib import Path

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(str(Path(__file__).with_name("engine.sock")))
        socket.send_fds(server, [json.dumps(dict(os.environ)).encode()], [0, 1, 2])
        # The pipes shall end when the fork closes them.
        os.close(0)
        os.close(1)
        status = server.recv(1)
    if not status:
        os.abort()
    os._exit(status[0])
