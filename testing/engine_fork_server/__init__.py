"""
Fork server of engine processes: the engines of tests' workers start without importing torch.

Importing torch and transformers takes five seconds of a core, and each worker of a test starts an
engine. The fork server imports them once. In the environment that `forked_engine_environment`
returns, `python -m worker.engine` runs `sitecustomize.py`. It asks the server for a fork and gives
it its three pipes. From the first line of the engine's `main`, all is as in the product. Of the
signals, only a deadly one reaches the fork. A test that pauses an engine, or looks into its
process, does without this environment.
"""

import atexit
import functools
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from testing.processes import REPOSITORY, clean_environment
from worker.engine.child_process import build_environment

STARTUP_FILE: Final = Path(__file__).with_name("sitecustomize.py")
SOCKET_NAME: Final = "engine.sock"
"""Name of the server's socket; `sitecustomize.py` expects it in its own directory."""


def forked_engine_environment() -> dict[str, str]:
    """Start the server at the first call; return the variable that workers need to use it."""
    return {"PYTHONPATH": str(_start_server())}


@functools.cache
def _start_server() -> Path:
    """Start the server, which ends with this process; return the directory of its socket."""
    directory = Path(tempfile.mkdtemp(prefix="engines-"))
    (directory / STARTUP_FILE.name).symlink_to(STARTUP_FILE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        # Bound here: a worker may connect before the server has imported anything.
        listener.bind(str(directory / SOCKET_NAME))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__name__}.server", str(listener.fileno())],
            cwd=REPOSITORY,
            env=build_environment(clean_environment()),
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    atexit.register(_stop_server, process, directory)
    return directory


def _stop_server(process: subprocess.Popen[bytes], directory: Path) -> None:
    process.communicate()
    shutil.rmtree(directory, ignore_errors=True)
