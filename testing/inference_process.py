"""Real inference server as a process: start, health, metrics and stop."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from testing.polling import poll_until
from testing.processes import free_port

START_SECONDS: Final = 400.0
"""Maximum seconds until a server is ready; vLLM needs a minute on an idle machine."""
CONTEXT_TOKENS: Final = 512
SLOTS: Final = 16


class InferenceProcess:
    """A server on a free port of this machine."""

    product = "the server"
    """The server's product name."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """
        Start the server; `wait_until_ready` waits for it. Its output goes to `log`.

        Host and port are added to `command`.
        """
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._command = [*command, "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = self.start_serving()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop_serving()
        if kind is not None:
            # pytest shows it beside the failure.
            sys.stdout.write(self._log.read_text("utf-8", "replace")[-4000:])

    def start_serving(self) -> "subprocess.Popen[bytes]":
        """Start the server, also once more on the same port."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        return self._process

    def wait_until_ready(self) -> None:
        """Wait until the server answers. Raises `RuntimeError` if it ends before."""
        poll_until(self._is_ready, timeout=START_SECONDS, description=self.product)

    def read_metric(self, name: str) -> float:
        """Return the sum of a metric over its labels; 0 if it is not there."""
        return sum(value for _, value in self.list_samples(name))

    def list_samples(self, name: str) -> list[tuple[str, float]]:
        """Return labels and value of each sample of a metric."""
        found = re.findall(rf"^{name}({{[^}}]*}})? (\S+)$", self._fetch("/metrics"), re.MULTILINE)
        return [(labels, float(value)) for labels, value in found]

    def stop_serving(self) -> None:
        """End the server and wait for it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(
                f"{self.product} ended with {self._process.returncode}: see {self._log}"
            )
        try:
            self._fetch("/health")
        except OSError:
            return False
        return True

    def _fetch(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=30) as response:  # noqa: S310 - http
            return str(response.read().decode())
