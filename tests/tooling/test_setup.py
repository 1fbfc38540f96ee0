"""The set-up: its pins, its stamps and its error messages."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import lock, setup
from testing.environment import REPOSITORY, clean_environment

PROJECT: Final = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
REQUIREMENTS: Final = lock.collect_requirements(PROJECT)


def _read_pins(name: str) -> dict[str, str]:
    return dict(pin.split("==") for pin in setup.read_pins(name))


@pytest.mark.parametrize("use", REQUIREMENTS)
def test_dependency_is_pinned_within_its_bounds(use: str) -> None:
    """Each requirement of pyproject.toml has one pinned version in the file of its use."""
    base = [] if use in lock.STANDALONE_EXTRAS else PROJECT["project"]["dependencies"]
    pinned = _read_pins(use) | _read_pins("torch")
    for need in map(Requirement, [*base, *REQUIREMENTS[use]]):
        assert need.specifier.contains(pinned[canonicalize_name(need.name)]), need


def test_pins_cover_older_python_versions() -> None:
    """Debian 12 has Python 3.11.2, for which redis-py wants one package more."""
    assert "async-timeout" in _read_pins("bot")


def test_requirement_files_agree_on_versions() -> None:
    """All files are installed together, so no package may have two versions."""
    seen: dict[str, str] = {}
    for use in REQUIREMENTS:
        for name, version in _read_pins(use).items():
            assert seen.setdefault(name, version) == version, name


def test_no_requirement_file_pins_torch_builds() -> None:
    """The build of torch depends on the machine; a pinned CUDA library would download gigabytes."""
    for use in REQUIREMENTS:
        assert not [
            n for n in _read_pins(use) if n.startswith((*lock.TORCH_BUILD_PREFIXES, "torch"))
        ]


def test_lock_matches_installed_versions() -> None:
    """The tests run on the pinned versions; `make lock` would change nothing."""
    for name, text in lock.render_requirements().items():
        assert (lock.OUTPUT_DIRECTORY / name).read_text("utf-8") == text, "run `make lock`"


def test_completed_set_up_does_nothing(tmp_path: Path) -> None:
    """With its stamp, no command runs; the larger set's stamp covers the smaller set."""
    _link_python(tmp_path)
    (tmp_path / "dev.stamp").write_text(setup.compute_fingerprint("dev"), "utf-8")

    setup.main("dev", tmp_path)
    setup.main("demo", tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "dev.stamp"]


def _link_python(directory: Path, target: str = sys.executable) -> Path:
    python = directory / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(target)
    return python


def test_uninstalled_python_invalidates_stamp(tmp_path: Path) -> None:
    """The environment's Python is a link, which dangles after an upgrade of the system."""
    _link_python(tmp_path, "/usr/bin/python3.0")
    (tmp_path / "demo.stamp").write_text(setup.compute_fingerprint("demo"), "utf-8")

    assert not setup.VirtualEnvironment(tmp_path).is_complete("demo")


def test_environment_of_another_python_is_not_usable(tmp_path: Path) -> None:
    """Packages that one Python version installed are not another's."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    for version, is_usable in ((sys.version, True), ("3.99.0 (main)", False)):
        python.write_text(FAKE_PYTHON.replace("VERSION", shlex.quote(version)), "utf-8")
        python.chmod(0o755)
        assert setup.VirtualEnvironment(tmp_path).is_usable() is is_usable


def test_demo_stamp_does_not_cover_dev(tmp_path: Path) -> None:
    """After `make demo` the tests' packages are still missing."""
    found = setup.VirtualEnvironment(tmp_path)
    _link_python(tmp_path)
    (tmp_path / "demo.stamp").write_text(setup.compute_fingerprint("demo"), "utf-8")

    assert found.is_complete("demo")
    assert not found.is_complete("dev")


def test_changed_requirements_invalidate_stamp(tmp_path: Path) -> None:
    """A stamp of other requirements does not count."""
    (tmp_path / "demo.stamp").write_text("what was installed last year", "utf-8")

    assert not setup.VirtualEnvironment(tmp_path).is_complete("demo")


def _run_setup(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scripts.setup", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_failed_set_up_prints_one_line_and_can_be_repeated(tmp_path: Path) -> None:
    """Without an index the message is pip's error and the log's path; there is no stamp."""
    folder = tmp_path / "venv"
    nowhere = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": (tmp_path / "x").as_uri()}
    found = _run_setup("demo", str(folder), **nowhere)

    assert found.returncode == 1
    assert re.search(r"^setup: torch.*setup\.log", found.stderr, re.MULTILINE)
    assert "Traceback" not in found.stderr
    assert not list(folder.glob("*.stamp"))
    assert not (folder / "downloads").exists()
    assert setup.VirtualEnvironment(folder).is_usable()


def test_unknown_set_prints_usage() -> None:
    """The usage names both sets."""
    found = _run_setup("everything")

    assert (found.returncode, found.stderr) == (
        1,
        "usage: python3 -m scripts.setup demo|dev [FOLDER]\n",
    )


def test_extract_error_returns_last_error_line() -> None:
    """Of pip's output the person sees the last error line."""
    assert (
        setup.extract_error("a\nERROR: no disk\nb\nERROR: no space left\nc")
        == "ERROR: no space left"
    )
    assert setup.extract_error("a\nb") == "b"
    assert setup.extract_error("") == "no output"


FAKE_PYTHON: Final = """#!/bin/sh
case "$*" in
    "-c import pip"*) printf %s VERSION; exit 0 ;;
    *==*+cpu*-c*) [ -e "$0.cpu" ] || { echo "ERROR: No matching distribution found"; exit 1; } ;;
esac
echo "$@" >> "$0.calls"
"""
"""Replaces an environment's Python; offers a CPU build if the file `python.cpu` exists."""


@pytest.fixture
def fake_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that records pip's arguments, on a machine without a driver."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(FAKE_PYTHON.replace("VERSION", shlex.quote(sys.version)), "utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(setup, "has_nvidia_driver", lambda: False)
    return tmp_path


def _read_pip_calls(environment_directory: Path) -> list[str]:
    return (environment_directory / "bin" / "python.calls").read_text("utf-8").splitlines()


def test_cpu_build_is_installed_if_available(fake_environment: Path) -> None:
    """One attempt for torch, then everything else without dependencies; and a stamp."""
    (fake_environment / "bin" / "python.cpu").touch()
    setup.main("demo", fake_environment)
    torch, rest = _read_pip_calls(fake_environment)

    assert re.search(r" torch==[\d.]+\+cpu -c \S+worker.txt$", torch)
    assert " --no-deps -r " in rest
    assert setup.VirtualEnvironment(fake_environment).is_complete("demo")


def test_large_download_is_announced_without_cpu_build(
    fake_environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message explains the large download and how to avoid it."""
    setup.main("demo", fake_environment)
    torch, _ = _read_pip_calls(fake_environment)

    assert re.search(r" torch==[\d.]+ -c ", torch)
    assert setup.LARGE_DOWNLOAD_NOTICE in capsys.readouterr().err


def test_nvidia_driver_excludes_cpu_build(
    fake_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if an index offers it first."""
    monkeypatch.setattr(setup, "has_nvidia_driver", lambda: True)
    (fake_environment / "bin" / "python.cpu").touch()
    setup.main("demo", fake_environment)

    assert re.search(r" torch==([\d.]+),!=\1\+cpu ", _read_pip_calls(fake_environment)[0])
