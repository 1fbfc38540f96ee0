"""Build of the CPU's attention kernel: twice, and without a compiler."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from worker.engine.cpu_kernels.build import DIRECTORY


def run_build(folder: Path, compiler: str) -> "subprocess.CompletedProcess[str]":
    """Run the build of a copy of its folder."""
    return subprocess.run(
        [sys.executable, folder / "build.py"],
        env=os.environ | {"CC": compiler},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sources, with a library of an older one."""
    for name in ("build.py", "attention.c"):
        shutil.copy(DIRECTORY / name, tmp_path)
    (tmp_path / "attention-0123456789ab.AVX2.so").touch()
    return tmp_path


@pytest.mark.gcc
def test_build_makes_each_library_once(folder: Path) -> None:
    """Nothing else stays, and the second build needs no compiler."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")

    first = run_build(folder, "gcc")
    libraries = {path: path.stat().st_mtime_ns for path in folder.glob("*.so")}
    second = run_build(folder, "no-such-compiler")

    assert (first.returncode, first.stderr) == (0, "")
    assert libraries
    assert folder / "attention-0123456789ab.AVX2.so" not in libraries
    assert set(folder.iterdir()) == {folder / "build.py", folder / "attention.c", *libraries}
    assert (second.returncode, second.stderr) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.so")} == libraries


@pytest.mark.parametrize(
    ("compiler", "line"),
    [
        ("no-such-compiler", "there is no no-such-compiler\n"),
        ("false", "false fails with status 1\n"),
    ],
)
def test_failed_build_says_why(folder: Path, compiler: str, line: str) -> None:
    """In one line; the engine then attends by torch."""
    failed = run_build(folder, compiler)

    assert (failed.returncode, failed.stderr) == (1, line)
    assert not [path for path in folder.iterdir() if path.is_dir()]
