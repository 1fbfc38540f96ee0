"""
Sets up `.venv` from the pinned requirements: `python3 -m scripts.setup demo` or `… dev`.

Standard library only, since nothing is installed yet. torch goes first: its CPU build where no
NVIDIA driver is present and an index that pip is set up for offers one, else the general build.
The rest is installed without looking at dependencies, so nothing can pull in another torch.
A finished set-up leaves a stamp; the next start sees it and returns at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.progress import Progress, say

REPOSITORY = Path(__file__).resolve().parents[1]
REQUIREMENTS = REPOSITORY / "requirements"
DEMO = ("bot", "worker", "fakeslack", "demo")
PAUSE = 0.1
SETS = {"demo": DEMO, "dev": (*DEMO, "dev")}
BIG = (
    "no CPU build of torch on the indexes that pip knows: downloading the general one with its "
    "CUDA libraries, 3 to 4 GB, once. An index with CPU builds in PIP_EXTRA_INDEX_URL avoids it."
)

ABSENT = ("No matching distribution", "ResolutionImpossible")
"""How pip says that a version is nowhere; the second where a constraint of its own names torch."""


class SetupError(Exception):
    """The set-up cannot go on; the message is one line for the person."""


class CommandError(SetupError):
    """A command failed; the message names it, its last words and the log."""


class Environment:
    """The virtual environment in `folder`, and the log of what was done to it."""

    def __init__(self, folder: Path) -> None:
        """Point at `folder`; nothing is created yet."""
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.log = folder / "setup.log"
        self.downloads = folder / "downloads"

    def stamp(self, name: str) -> Path:
        """Return the file that says with which requirements this set was finished."""
        return self.folder / f"{name}.stamp"

    def complete(self, name: str) -> bool:
        """Whether this set, or one that holds it, is installed as the requirements say now."""
        return any(
            set(SETS[name]) <= set(rooms)
            and self.stamp(other).is_file()
            and self.stamp(other).read_text("utf-8") == fingerprint(other)
            for other, rooms in SETS.items()
        )

    def works(self) -> bool:
        """Whether the environment's Python starts and has pip."""
        command = [str(self.python), "-c", "import pip"]
        if not self.python.exists():
            return False
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def torch(self) -> str:
        """Return the installed version of torch, or an empty string."""
        found = sorted(self.folder.glob("lib/python*/site-packages/torch-*.dist-info"))
        return found[0].name.split("-")[1].removesuffix(".dist") if found else ""


def fingerprint(name: str) -> str:
    """Return a hash of the set's requirements, of this script and of the Python that runs it."""
    files = [REQUIREMENTS / f"{room}.txt" for room in ("torch", *SETS[name])]
    parts = [path.read_bytes() for path in (*files, Path(__file__))]
    return hashlib.sha256(b"\0".join([sys.version.encode(), *parts])).hexdigest()


def main(name: str, folder: Path) -> None:
    """Set up `folder` for one of `SETS`. Raises `SetupError` with a line for the person."""
    if sys.version_info < (3, 11):  # noqa: UP036  somebody else's Python runs this line
        raise SetupError("Python 3.11 or newer is needed; PYTHON=… names another one")
    environment = Environment(folder)
    if environment.complete(name):
        return
    started = time.monotonic()
    create(environment)
    try:
        install(environment, name)
    finally:
        shutil.rmtree(environment.downloads, ignore_errors=True)
    for other, rooms in SETS.items():
        if set(rooms) <= set(SETS[name]):
            environment.stamp(other).write_text(fingerprint(other), "utf-8")
    say(f"set up in {time.monotonic() - started:.0f} s")


def create(environment: Environment) -> None:
    """Make the virtual environment, unless one that works is there."""
    if environment.works():
        return
    shutil.rmtree(environment.folder, ignore_errors=True)
    environment.folder.mkdir(parents=True)
    try:
        run(
            environment, "a virtual environment", [sys.executable, "-m", "venv", environment.folder]
        )
    except CommandError as error:
        advice = "on Debian and Ubuntu: apt install python3-venv"
        raise SetupError(f"no virtual environment could be made; {advice}") from error


def install(environment: Environment, name: str) -> None:
    """Install torch, then everything else without its dependencies."""
    (wanted,) = pins("torch")
    if environment.torch().split("+")[0] != wanted.partition("==")[2]:
        torch(environment, wanted)
    files = [part for room in SETS[name] for part in ("-r", str(REQUIREMENTS / f"{room}.txt"))]
    count = len({pin for room in SETS[name] for pin in pins(room)})
    run(environment, f"{count} packages", pip(environment, "--no-deps", *files))


def torch(environment: Environment, wanted: str) -> None:
    """Install torch: the CPU build if that is all this machine can use and it can be had."""
    constraint = ("-c", str(REQUIREMENTS / "worker.txt"))
    if driver():
        general = f"{wanted},!={wanted.partition('==')[2]}+cpu"
        run(environment, "torch for your GPU", pip(environment, general, *constraint))
        return
    try:
        run(environment, "torch, CPU build", pip(environment, f"{wanted}+cpu", *constraint))
    except CommandError as error:
        if not any(words in str(error) for words in ABSENT):
            raise
        if sys.platform == "linux":
            say(BIG)
        run(environment, "torch", pip(environment, wanted, *constraint))


def driver() -> bool:
    """Whether this machine has an NVIDIA driver."""
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()


def pins(room: str) -> list[str]:
    """Return the lines of a requirements file that name a package."""
    lines = (REQUIREMENTS / f"{room}.txt").read_text("utf-8").splitlines()
    return [line for line in lines if "==" in line]


def pip(environment: Environment, *arguments: str) -> list[str]:
    """
    Return the command that installs; nothing is built here, so nothing needs a compiler.

    To compile all modules takes a core most of a minute; those that are used are compiled by use.
    """
    options = (
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
        "--only-binary",
        ":all:",
    )
    return [str(environment.python), "-m", "pip", "install", *options, *arguments]


def run(environment: Environment, what: str, command: Sequence[str | Path]) -> None:
    """Run a command with a line of progress; its output goes to the log. Raises `CommandError`."""
    environment.downloads.mkdir(exist_ok=True)
    # pip unpacks below TMPDIR, and /tmp may be a small piece of memory.
    variables = os.environ | {"TMPDIR": str(environment.downloads)}
    with environment.log.open("a+", encoding="utf-8") as log:
        start = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables
        )
        watch(process, Progress(environment.folder, what))
        if process.returncode:
            log.seek(start)
            raise CommandError(f"{what}: {reason(log.read())} (see {environment.log})")


def watch(process: subprocess.Popen[bytes], progress: Progress) -> None:
    """Draw the progress of a process until it has ended; end it when the person interrupts."""
    try:
        while process.poll() is None:
            progress.draw()
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        progress.end()


def reason(output: str) -> str:
    """Return the last line that names an error, else the last line."""
    lines = output.splitlines() or ["no output"]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines)[-1]


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3} or sys.argv[1] not in SETS:
        sys.exit("usage: python3 -m scripts.setup demo|dev [FOLDER]")
    try:
        main(sys.argv[1], Path(sys.argv[2]) if sys.argv[2:] else REPOSITORY / ".venv")
    except SetupError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; run it again to go on")
        sys.exit(130)
