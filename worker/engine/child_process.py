"""Starts the child process with a small environment and exchanges lines with it; torch-free."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from worker.engine import protocol
from worker.engine.options import Options

NAMES: Final = frozenset({
    "PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "VIRTUAL_ENV", "PYTHONPATH", "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
"""What the child sees of the environment, besides names that begin with one of `PREFIXES`."""

PREFIXES: Final = (
    "LC_", "HF_", "TORCH", "PYTORCH_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_", "KMP_",
)  # fmt: skip

QUIET: Final = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""What keeps the child's libraries from calling home and from drawing on stderr."""

DEFAULTS: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that spin while they wait make a step several times slower on a machine that has other
work, such as the whole demo on two cores."""

LONGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes of the longest line that the child may send."""

ROOT: Final = Path(__file__).parents[2]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the child's environment: nothing of Slack, of Redis or of our own settings."""
    kept = {
        name: value for name, value in given.items() if name in NAMES or name.startswith(PREFIXES)
    }
    paths = [str(ROOT), kept.get("PYTHONPATH", "")]
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {**DEFAULTS, **kept, **QUIET}


class Child:
    """One child process; use `spawn`."""

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a child needs both pipes")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    @classmethod
    async def spawn(cls, options: Options) -> Self:
        """Start a child and tell it its options."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker.engine",
            stdin=PIPE,
            stdout=PIPE,
            env=environment(os.environ),
            limit=LONGEST_LINE,
            # Not in our terminal's group: Ctrl-C is for the parent, which drains first.
            start_new_session=True,
        )
        child = cls(process)
        child._write(options.encode().encode() + b"\n")
        return child

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code; negative for a signal, `None` while it runs."""
        return self._process.returncode

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; to a child that is gone, nothing."""
        self._write(protocol.encode(message))

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """
        Yield what the child says until it says no more; a line cut off by its death is dropped.

        Raises `ValueError` for a line that is no message.
        """
        async for line in self._stdout:
            if line.endswith(b"\n"):
                yield protocol.decode(line)

    async def close(self, grace: float) -> None:
        """Close the child's stdin, which ends it; after `grace` seconds kill it."""
        self._stdin.close()
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """Kill the child at once."""
        if self._process.returncode is None:
            self._process.kill()

    def _write(self, line: bytes) -> None:
        if not self._stdin.is_closing():
            self._stdin.write(line)
