"""Starts the child process with a small environment and exchanges lines with it; torch-free."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from worker.engine import protocol
from worker.engine.options import EngineConfig

ENV_NAMES: Final = frozenset({
    "PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "VIRTUAL_ENV", "PYTHONPATH", "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
"""What the child sees of the environment, besides names that begin with one of `PREFIXES`."""

ENV_PREFIXES: Final = (
    "LC_", "HF_", "TORCH", "PYTORCH_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_", "KMP_",
)  # fmt: skip

QUIET_ENV: Final = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""What keeps the child's libraries from calling home and from drawing on stderr."""

DEFAULT_ENV: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that spin while they wait make a step several times slower on a machine that has other
work, such as the whole demo on two cores."""

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the longest line that the child may send."""

PROJECT_ROOT: Final = Path(__file__).parents[2]


def build_environment(parent_env: Mapping[str, str]) -> dict[str, str]:
    """Return the child's environment: nothing of Slack, of Redis or of our own settings."""
    child_env = {
        name: value
        for name, value in parent_env.items()
        if name in ENV_NAMES or name.startswith(ENV_PREFIXES)
    }
    paths = [str(PROJECT_ROOT), child_env.get("PYTHONPATH", "")]
    child_env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {**DEFAULT_ENV, **child_env, **QUIET_ENV}


class ChildProcess:
    """One child process; use `spawn`."""

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a child needs both pipes")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    @classmethod
    async def spawn(cls, config: EngineConfig) -> Self:
        """Start a child and tell it its options."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker.engine",
            stdin=PIPE,
            stdout=PIPE,
            env=build_environment(os.environ),
            limit=MAX_LINE_BYTES,
            # Not in our terminal's group: Ctrl-C is for the parent, which drains first.
            start_new_session=True,
        )
        child = cls(process)
        child._write_line(config.to_json().encode() + b"\n")
        return child

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; negative for a signal, `None` while it runs."""
        return self._process.returncode

    def send_message(self, message: dict[str, Any]) -> None:
        """Send one message; to a child that is gone, nothing."""
        self._write_line(protocol.encode_message(message))

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """
        Yield what the child says until it says no more; a line cut off by its death is dropped.

        Raises `ValueError` for a line that is no message.
        """
        async for line in self._stdout:
            if line.endswith(b"\n"):
                yield protocol.decode_message(line)

    async def close_and_wait(self, grace_seconds: float) -> None:
        """Close the child's stdin, which ends it; after `grace` seconds kill it."""
        self._stdin.close()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._process.wait()
        except TimeoutError:
            self.kill_process()
            await self._process.wait()

    def kill_process(self) -> None:
        """Kill the child at once."""
        if self._process.returncode is None:
            self._process.kill()

    def _write_line(self, line: bytes) -> None:
        if not self._stdin.is_closing():
            self._stdin.write(line)
