"""Child process of the checks: `ready`, then a line for each line of requests."""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Final

from worker.checks.block import check_block
from worker.checks.names.name_lists import load_name_lists
from worker.checks.safety.python_rules import load_bandit
from worker.engine.sandbox import Sandbox, readable_paths

PR_SET_PDEATHSIG: Final = 1
"""See prctl(2)."""
MAX_ADDRESS_BYTES: Final = 192 << 20
"""Address space, most of it libraries that take no memory of their own."""
MAX_DATA_BYTES: Final = 56 << 20
"""Memory that the process may write to."""


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    load_name_lists()
    load_bandit()
    confine_process()
    sys.stdout.buffer.write(b"ready\n")
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer = check_block(request["code"], request["text"])
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def confine_process() -> None:
    """Limit memory, forbid sockets and writing to files, and die with the parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_BYTES, MAX_ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
    sandbox = Sandbox()
    sandbox.harden_process()
    sandbox.restrict_thread(readable=readable_paths(Path(os.devnull)))
    sandbox.forbid_sockets()


if __name__ == "__main__":
    main()
