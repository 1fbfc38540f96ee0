"""Real containers of podman: right code passes, and hostile code gets nothing and ends."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from finetune.functional.problems import read_problems
from finetune.functional.sandbox import TRIAL, Sandbox, judge_codes
from finetune.functional.verdicts import Verdict

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("podman"), reason="podman is not installed"),
]

IMAGE: Final = "starchat-functional:test"
SOLUTIONS: Final = Path(__file__).with_name("solutions.py").read_text("utf-8")
LEFT_OUT: Final = re.compile(r"/(site-packages|test|tests|idlelib|tkinter|__pycache__|config-.*)$")
DOUBLE: Final = "\ndef double(x): return 2 * x\n"
PROBES: Final = {
    "network": "import socket\nsocket.create_connection(('1.1.1.1', 53), 2)",
    "names": "import os\nassert len(os.listdir('/sys/class/net')) > 1",
    "write": "open('/written', 'w')",
    "root": "import os\nos.setuid(0)",
    "memory": "filled = bytearray(2**30)",
    "processes": "import os, signal\nwhile True:\n    os.fork() or signal.pause()",
    "flood": "import os\nwhile True:\n    for n in range(3, 9):\n        os.write(n, b'[' * 9999)",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[str, ...]]:
    """Podman with storage that no other images share; the image has this test's own Python."""
    # The paths of its sockets must be short.
    with tempfile.TemporaryDirectory(prefix="sc", ignore_cleanup_errors=True) as folder:
        storage = ("--root", f"{folder}/s", "--runroot", f"{folder}/r")
        command = ("podman", *storage, "--runtime", "runc", "--cgroup-manager", "cgroupfs")
        archive = Path(folder) / "image.tar"
        _write_image(archive)
        subprocess.run([*command, "import", archive, IMAGE], check=True, capture_output=True)
        yield command
        left = subprocess.run([*command, "ps", "-aq"], check=True, capture_output=True)
        subprocess.run([*command, "system", "reset", "--force"], check=False, capture_output=True)
        assert left.stdout == b""


def _write_image(archive: Path) -> None:
    """Pack the interpreter, its standard library and the system's libraries that it needs."""
    python = Path(sys.executable).resolve()
    needed = subprocess.run(["ldd", python], check=True, capture_output=True, text=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", needed)

    def select(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        info.mode |= 0o555
        return None if LEFT_OUT.search(f"/{info.name}") else info

    with tarfile.open(archive, "w", dereference=True) as tar:
        for name in {str(python), sysconfig.get_path("stdlib"), *libraries}:
            tar.add(name, filter=select)
        link = tarfile.TarInfo("bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, str(python)
        tar.addfile(link)


async def test_right_solutions_pass(engine: tuple[str, ...]) -> None:
    """All twenty problems."""
    sandbox = Sandbox(engine, IMAGE, 60.0)
    await sandbox.check_engine()
    problems = read_problems()

    verdicts = await judge_codes(sandbox, problems, [SOLUTIONS] * len(problems))

    assert set(verdicts) == {Verdict.PASSED}


@pytest.mark.parametrize("name", list(PROBES))
async def test_hostile_code_gets_nothing(engine: tuple[str, ...], name: str) -> None:
    """No network, no files, no rights, little memory, few processes: the code ends before it."""
    verdict = await Sandbox(engine, IMAGE, 60.0).judge_code(TRIAL, PROBES[name] + DOUBLE)

    assert verdict is Verdict.FAILED


def test_code_that_does_not_end_is_killed(engine: tuple[str, ...]) -> None:
    """Its container is gone; the fixture looks for others."""
    sandbox = Sandbox(engine, IMAGE, 5.0)

    verdict = asyncio.run(sandbox.judge_code(TRIAL, "while True: pass"))

    assert verdict is Verdict.TIMED_OUT
    found = subprocess.run([*engine, "ps", "-a", "--format=json"], check=True, capture_output=True)
    assert json.loads(found.stdout) == []
