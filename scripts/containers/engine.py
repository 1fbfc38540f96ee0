"""Podman and buildah with their own storage, so that no image of the machine is touched."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

RUN_DIRECTORY: Final = Path("/tmp/starchat-containers")  # noqa: S108  root's, mode 700
"""State of running containers: the paths of podman's sockets must be short."""
REMOVAL_ATTEMPTS: Final = 10
"""Attempts to remove all containers, a second apart."""
ENVIRONMENT: Final = {"DISABLE_HC_SYSTEMD": "true"}
"""Health checks are run by the trial: a machine may have no systemd."""


class EngineError(Exception):
    """A command of podman or buildah failed; the message has its last lines."""


class Engine:
    """One storage of images, containers, volumes and networks below `directory`."""

    def __init__(self, directory: Path) -> None:
        """Create the directories; root alone can read them."""
        self._directory = directory
        for each in (directory, RUN_DIRECTORY):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            each.chmod(0o700)
        self._storage = ["--root", str(directory / "storage"), "--runroot", str(RUN_DIRECTORY)]

    def run_podman(self, *arguments: str) -> str:
        """Run podman and return its output. Raises `EngineError` if it fails."""
        return _run_command(self._podman_command(*arguments)).stdout

    def read_logs(self, name: str, num_lines: int) -> str:
        """Return the last lines of a container's stdout and stderr."""
        found = _run_command(self._podman_command("logs", "--tail", str(num_lines), name))
        return found.stdout + found.stderr

    def build_image(self, *arguments: str) -> None:
        """Run `buildah bud`, which needs no daemon and no user namespace."""
        options = ["--isolation", "chroot", "--layers", "--pull-never"]
        _run_command(["buildah", *self._storage, "bud", *options, *arguments])

    def _podman_command(self, *arguments: str) -> list[str]:
        networks = ["--network-config-dir", str(self._directory / "networks")]
        options = [*self._storage, "--runtime", "runc", "--cgroup-manager", "cgroupfs", *networks]
        return ["podman", *options, *arguments]

    def inspect(self, name: str, kind: str = "container") -> dict[str, Any]:
        """Return podman's description of a container or an image."""
        found: list[dict[str, Any]] = json.loads(self.run_podman(kind, "inspect", name))
        return found[0]

    def succeeds(self, *arguments: str) -> bool:
        """Whether a podman command ends with status 0."""
        try:
            self.run_podman(*arguments)
        except EngineError:
            return False
        return True

    def remove_containers(self) -> None:
        """Remove all containers, volumes and networks of this storage; images stay."""
        for _ in range(REMOVAL_ATTEMPTS):
            # A container that ends and is restarted in this moment can't be removed.
            if self.succeeds("rm", "--all", "--force", "--time", "1"):
                break
            time.sleep(1.0)
        self.run_podman("volume", "prune", "--force")
        self.run_podman("network", "prune", "--force")


def _run_command(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if found.returncode:
        lines = (found.stderr or found.stdout).splitlines()[-15:]
        raise EngineError("\n".join([" ".join(command[:1]) + " failed:", *lines]))
    return found


def report_line(line: str) -> None:
    """Print one line of progress."""
    print(f"containers: {line}", file=sys.stderr, flush=True)
