"""
Set-up of `.venv` from the pinned requirements: `python3 -m scripts.setup demo` or `… dev`.

Standard library only, because nothing is installed yet. Installs torch first: its CPU build if the
machine has no NVIDIA driver and a configured index offers one, else the general build. Installs the
rest without dependencies, so that no package can replace torch. A finished set-up leaves a stamp,
and the next start returns at once. Builds the CPU's attention kernel where there is a compiler.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.progress import ProgressLine, print_status

REPOSITORY = Path(__file__).resolve().parents[1]
REQUIREMENTS_DIRECTORY = REPOSITORY / "requirements"
KERNEL_BUILD = REPOSITORY / "worker" / "engine" / "cpu_kernels" / "build.py"
DEMO_REQUIREMENTS = ("bot", "worker", "fakeslack", "demo")
POLL_INTERVAL_SECONDS = 0.1
REQUIREMENT_SETS = {"demo": DEMO_REQUIREMENTS, "dev": (*DEMO_REQUIREMENTS, "finetune", "dev")}
LARGE_DOWNLOAD_NOTICE = (
    "pip's indexes have no CPU build of torch. Downloading the general build with its CUDA "
    "libraries: 3 to 4 GB, once. To avoid it, add an index with CPU builds: PIP_EXTRA_INDEX_URL=…"
)

NOT_FOUND_MESSAGES = ("No matching distribution", "ResolutionImpossible")
"""pip's messages for a version on no index; the second comes if a constraint names torch."""


class SetupError(Exception):
    """The set-up failed; the message is one line for the person."""


class CommandError(SetupError):
    """A command failed; the message names it, its last error line and the log."""


class VirtualEnvironment:
    """The virtual environment in `directory`, with the set-up's log and stamps."""

    def __init__(self, directory: Path) -> None:
        """Derive all paths from `directory`; create nothing yet."""
        self.directory = directory
        self.python = directory / "bin" / "python"
        self.log = directory / "setup.log"
        self.downloads = directory / "downloads"

    def stamp_path(self, name: str) -> Path:
        """Return the path of the file with the fingerprint of the set that was installed."""
        return self.directory / f"{name}.stamp"

    def is_complete(self, name: str) -> bool:
        """Whether this set, or a larger one, is installed with the current requirements."""
        # A Python that was uninstalled since leaves a dangling link.
        return self.python.exists() and any(
            set(REQUIREMENT_SETS[name]) <= set(files)
            and self.stamp_path(other).is_file()
            and self.stamp_path(other).read_text("utf-8") == compute_fingerprint(other)
            for other, files in REQUIREMENT_SETS.items()
        )

    def is_usable(self) -> bool:
        """Whether the environment's Python starts, is this Python's version and can import pip."""
        command = [str(self.python), "-c", "import pip, sys; print(sys.version, end='')"]
        if not self.python.exists():
            return False
        found = subprocess.run(command, check=False, capture_output=True, text=True)
        return found.returncode == 0 and found.stdout == sys.version

    def find_torch_version(self) -> str:
        """Return the installed version of torch, or an empty string."""
        found = sorted(self.directory.glob("lib/python*/site-packages/torch-*.dist-info"))
        return found[0].name.split("-")[1].removesuffix(".dist") if found else ""


def compute_fingerprint(name: str) -> str:
    """Return a hash of the set's requirements, of this script, of Python and the platform."""
    files = [REQUIREMENTS_DIRECTORY / f"{file}.txt" for file in ("torch", *REQUIREMENT_SETS[name])]
    parts = [path.read_bytes() for path in (*files, Path(__file__))]
    python = f"{sys.version} {sysconfig.get_platform()}"
    return hashlib.sha256(b"\0".join([python.encode(), *parts])).hexdigest()


def main(name: str, directory: Path) -> None:
    """Set up `directory` for one of `REQUIREMENT_SETS`. Raises `SetupError` if a step fails."""
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python may run this line
        raise SetupError("Python 3.11 or newer is required; choose it with PYTHON=…")
    environment = VirtualEnvironment(directory)
    missing = build_kernel()
    if environment.is_complete(name):
        return
    if missing:
        print_status(f"no kernel for attention on a CPU, torch's slower one is used: {missing}")
    started = time.monotonic()
    create_environment(environment)
    try:
        install_requirements(environment, name)
    finally:
        shutil.rmtree(environment.downloads, ignore_errors=True)
    for other, files in REQUIREMENT_SETS.items():
        if set(files) <= set(REQUIREMENT_SETS[name]):
            environment.stamp_path(other).write_text(compute_fingerprint(other), "utf-8")
    print_status(f"set up in {time.monotonic() - started:.0f} s")


def build_kernel() -> str:
    """Build the CPU's attention kernel, unless it is built; returns why it can't be, or nothing."""
    command = [sys.executable, str(KERNEL_BUILD)]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    return built.stderr.strip() if built.returncode else ""


def create_environment(environment: VirtualEnvironment) -> None:
    """Create the virtual environment, unless a usable one exists."""
    if environment.is_usable():
        return
    shutil.rmtree(environment.directory, ignore_errors=True)
    environment.directory.mkdir(parents=True)
    try:
        run_command(
            environment,
            "a virtual environment",
            [sys.executable, "-m", "venv", environment.directory],
        )
    except CommandError as error:
        advice = "on Debian and Ubuntu: apt install python3-venv"
        raise SetupError(f"could not create a virtual environment; {advice}") from error


def install_requirements(environment: VirtualEnvironment, name: str) -> None:
    """Install torch, then everything else without dependencies."""
    (torch_pin,) = read_pins("torch")
    if environment.find_torch_version().split("+")[0] != torch_pin.partition("==")[2]:
        install_torch(environment, torch_pin)
    options = [
        part
        for file in REQUIREMENT_SETS[name]
        for part in ("-r", str(REQUIREMENTS_DIRECTORY / f"{file}.txt"))
    ]
    count = len({pin for file in REQUIREMENT_SETS[name] for pin in read_pins(file)})
    run_command(
        environment, f"{count} packages", build_pip_command(environment, "--no-deps", *options)
    )


def install_torch(environment: VirtualEnvironment, torch_pin: str) -> None:
    """Install torch: the CPU build if this machine has no GPU and an index offers it."""
    constraint = ("-c", str(REQUIREMENTS_DIRECTORY / "worker.txt"))
    if has_nvidia_driver():
        general = f"{torch_pin},!={torch_pin.partition('==')[2]}+cpu"
        run_command(
            environment, "torch for your GPU", build_pip_command(environment, general, *constraint)
        )
        return
    try:
        run_command(
            environment,
            "torch, CPU build",
            build_pip_command(environment, f"{torch_pin}+cpu", *constraint),
        )
    except CommandError as error:
        if not any(words in str(error) for words in NOT_FOUND_MESSAGES):
            raise
        if sys.platform == "linux":
            print_status(LARGE_DOWNLOAD_NOTICE)
        run_command(environment, "torch", build_pip_command(environment, torch_pin, *constraint))


def has_nvidia_driver() -> bool:
    """Whether this machine has an NVIDIA driver."""
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()


def read_pins(name: str) -> list[str]:
    """Return a requirements file's lines that pin a package."""
    lines = (REQUIREMENTS_DIRECTORY / f"{name}.txt").read_text("utf-8").splitlines()
    return [line for line in lines if "==" in line]


def build_pip_command(environment: VirtualEnvironment, *arguments: str) -> list[str]:
    """
    Return the command that installs wheels only, so that no compiler is needed.

    Skips byte-compilation, which takes most of a minute; Python compiles modules on first import.
    """
    options = (
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
        "--only-binary",
        ":all:",
    )
    return [str(environment.python), "-m", "pip", "install", *options, *arguments]


def run_command(environment: VirtualEnvironment, task: str, command: Sequence[str | Path]) -> None:
    """Run a command with a progress line; log its output. Raises `CommandError` if it fails."""
    environment.downloads.mkdir(exist_ok=True)
    # pip unpacks below TMPDIR, and /tmp may be a small tmpfs.
    variables = os.environ | {"TMPDIR": str(environment.downloads)}
    with environment.log.open("a+", encoding="utf-8") as log:
        start = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables
        )
        watch_process(process, ProgressLine(environment.directory, task))
        if process.returncode:
            log.seek(start)
            raise CommandError(f"{task}: {extract_error(log.read())} (see {environment.log})")


def watch_process(process: subprocess.Popen[bytes], progress: ProgressLine) -> None:
    """Draw the progress line until the process exits; terminate the process on Ctrl-C."""
    try:
        while process.poll() is None:
            progress.draw_frame()
            time.sleep(POLL_INTERVAL_SECONDS)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        progress.clear_line()


def extract_error(output: str) -> str:
    """Return the last line that starts with ERROR, else the last line."""
    lines = output.splitlines() or ["no output"]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines)[-1]


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3} or sys.argv[1] not in REQUIREMENT_SETS:
        sys.exit("usage: python3 -m scripts.setup demo|dev [FOLDER]")
    try:
        main(sys.argv[1], Path(sys.argv[2]) if sys.argv[2:] else REPOSITORY / ".venv")
    except SetupError as error:
        print_status(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        print_status("interrupted; run the same command again to continue")
        sys.exit(130)
