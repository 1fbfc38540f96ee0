"""
Child process of the engine: started with a minimal environment, reached by JSON lines. Torch-free.

The child inherits neither Slack nor Redis credentials, and no file but its three pipes.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from worker.engine import protocol
from worker.engine.protocol import EngineConfig

EXIT_LOAD_FAILED: Final = 66
"""Exit code: the model cannot be loaded. The child's last message is a `load_error`."""

EXIT_DEVICE_LOST: Final = 70
"""Exit code: the device is in an unknown state."""

ENV_NAMES: Final = frozenset({
    "PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "VIRTUAL_ENV", "PYTHONPATH", "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "GLIBC_TUNABLES",
})  # fmt: skip
"""Environment variables that the child inherits, besides those that begin with `ENV_PREFIXES`."""

ENV_PREFIXES: Final = (
    "LC_", "HF_", "TORCH", "PYTORCH_", "TRITON_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_",
    "KMP_",
)  # fmt: skip

QUIET_ENV: Final = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""Variables that turn off telemetry and progress bars in the child's libraries."""

DEFAULT_ENV: Final = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""
Variables that the operator may override.

Spinning OpenMP threads make a step several times slower on a machine with other work, such as the
demo on two cores. A CPU prefetches within a page only, so it reads weights faster from huge pages.
Most systems give them only to a process that asks for them, which glibc 2.35 and newer do.
"""

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Maximum length of a line from the child, in bytes."""

PROJECT_ROOT: Final = Path(__file__).parents[2]


def build_environment(parent_env: Mapping[str, str]) -> dict[str, str]:
    """Return the child's environment, without Slack, Redis or StarChat settings."""
    child_env = {
        name: value
        for name, value in parent_env.items()
        if name in ENV_NAMES or name.startswith(ENV_PREFIXES)
    }
    paths = [str(PROJECT_ROOT), child_env.get("PYTHONPATH", "")]
    child_env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {**DEFAULT_ENV, **child_env, **QUIET_ENV}


class ChildProcess:
    """
    One child process; create it with `spawn`.

    Raises `ValueError` if the process has no pipes.
    """

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a child needs both pipes")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    @classmethod
    async def spawn(cls, config: EngineConfig) -> Self:
        """Start a child and send it its configuration. Raises `OSError` if it cannot start."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker.engine",
            stdin=PIPE,
            stdout=PIPE,
            env=build_environment(os.environ),
            limit=MAX_LINE_BYTES,
            # Outside the terminal's process group: Ctrl-C reaches only the parent, which drains.
            start_new_session=True,
        )
        child = cls(process)
        child._write_line(config.to_json().encode() + b"\n")
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code; negative for a signal, `None` while the process runs."""
        return self._process.returncode

    def send_message(self, message: dict[str, Any]) -> None:
        """Send one message; does nothing if the child has exited."""
        self._write_line(protocol.encode_message(message))

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """
        Yield the child's messages until it closes its stdout.

        A line that the child's death cut off is dropped. Raises `ValueError` for a line that is
        not a message.
        """
        async for line in self._stdout:
            if line.endswith(b"\n"):
                yield protocol.decode_message(line)

    async def close_and_wait(self, grace_seconds: float) -> None:
        """Close the child's stdin, which ends it; kill it after `grace_seconds`."""
        self._stdin.close()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._process.wait()
        except TimeoutError:
            self.kill_process()
            await self._process.wait()

    def kill_process(self) -> None:
        """Send SIGKILL to a child that still runs."""
        if self._process.returncode is None:
            self._process.kill()

    def _write_line(self, line: bytes) -> None:
        if not self._stdin.is_closing():
            self._stdin.write(line)
