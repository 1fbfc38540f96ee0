"""The set-up: what it pins, when it has nothing to do, and what it says when it fails."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import lock, setup
from testing.processes import REPOSITORY, environment

PROJECT: Final = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
USES: Final = lock.uses(PROJECT)


def _pinned(name: str) -> dict[str, str]:
    return dict(pin.split("==") for pin in setup.pins(name))


@pytest.mark.parametrize("use", USES)
def test_every_dependency_is_pinned_within_its_bounds(use: str) -> None:
    """What pyproject.toml asks for has one version in the file for its use."""
    base = [] if use in lock.APART else PROJECT["project"]["dependencies"]
    pinned = _pinned(use) | _pinned("torch")
    for need in map(Requirement, [*base, *USES[use]]):
        assert need.specifier.contains(pinned[canonicalize_name(need.name)]), need


def test_older_pythons_get_what_only_they_need() -> None:
    """Debian 12 has Python 3.11.2, for which redis-py wants one package more."""
    assert "async-timeout" in _pinned("bot")


def test_uses_agree_on_every_version() -> None:
    """All of them are installed together, so no package has two versions."""
    seen: dict[str, str] = {}
    for use in USES:
        for name, version in _pinned(use).items():
            assert seen.setdefault(name, version) == version, name


def test_no_file_pins_a_build_of_torch() -> None:
    """Torch alone is chosen by the machine; a CUDA library in a pin would bring gigabytes."""
    for use in USES:
        assert not [n for n in _pinned(use) if n.startswith((*lock.BUILD, "torch"))]


def test_the_lock_is_what_is_installed() -> None:
    """The tests run on the versions that everybody gets; `make lock` would change nothing."""
    for name, text in lock.written().items():
        assert (lock.FOLDER / name).read_text("utf-8") == text, "run `make lock`"


def test_a_finished_set_up_has_nothing_to_do(tmp_path: Path) -> None:
    """With its stamp there, nothing is started; the larger set's stamp does for the smaller."""
    (tmp_path / "dev.stamp").write_text(setup.fingerprint("dev"), "utf-8")

    setup.main("dev", tmp_path)
    setup.main("demo", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["dev.stamp"]


def test_the_smaller_set_is_not_the_larger_one(tmp_path: Path) -> None:
    """After `make demo` the tests' packages are still missing."""
    found = setup.Environment(tmp_path)
    (tmp_path / "demo.stamp").write_text(setup.fingerprint("demo"), "utf-8")

    assert found.complete("demo")
    assert not found.complete("dev")


def test_a_changed_requirement_is_noticed(tmp_path: Path) -> None:
    """A stamp of other requirements does not count."""
    (tmp_path / "demo.stamp").write_text("what was installed last year", "utf-8")

    assert not setup.Environment(tmp_path).complete("demo")


def _run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scripts.setup", *arguments],
        cwd=REPOSITORY,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_a_failed_set_up_says_why_in_one_line_and_goes_on_next_time(tmp_path: Path) -> None:
    """Without any index the reason is pip's own, with the log beside it; no stamp is left."""
    folder = tmp_path / "venv"
    nowhere = {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": (tmp_path / "x").as_uri()}
    found = _run("demo", str(folder), **nowhere)

    assert found.returncode == 1
    assert re.search(r"^setup: torch.*setup\.log", found.stderr, re.MULTILINE)
    assert "Traceback" not in found.stderr
    assert not list(folder.glob("*.stamp"))
    assert not (folder / "downloads").exists()
    assert setup.Environment(folder).works()


def test_a_wrong_word_is_answered_with_the_right_ones() -> None:
    """The usage names both sets."""
    found = _run("everything")

    assert (found.returncode, found.stderr) == (
        1,
        "usage: python3 -m scripts.setup demo|dev [FOLDER]\n",
    )


def test_the_last_error_is_the_reason() -> None:
    """Of pip's output the person sees the line that matters."""
    assert setup.reason("a\nERROR: no disk\nb\nERROR: no space left\nc") == "ERROR: no space left"
    assert setup.reason("a\nb") == "b"
    assert setup.reason("") == "no output"


PIP: Final = """#!/bin/sh
case "$*" in
    "-c import pip") exit 0 ;;
    *==*+cpu*-c*) [ -e "$0.cpu" ] || { echo "ERROR: No matching distribution found"; exit 1; } ;;
esac
echo "$@" >> "$0.calls"
"""
"""Stands in the place of an environment's Python: has a CPU build if a file beside it says so."""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that only notes what pip is told, on a machine without a driver."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(PIP, "utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(setup, "driver", lambda: False)
    return tmp_path


def _told(machine: Path) -> list[str]:
    return (machine / "bin" / "python.calls").read_text("utf-8").splitlines()


def test_the_cpu_build_is_taken_where_there_is_one(machine: Path) -> None:
    """One attempt for torch, then everything else without dependencies; and a stamp."""
    (machine / "bin" / "python.cpu").touch()
    setup.main("demo", machine)
    torch, rest = _told(machine)

    assert re.search(r" torch==[\d.]+\+cpu -c \S+worker.txt$", torch)
    assert " --no-deps -r " in rest
    assert setup.Environment(machine).complete("demo")


def test_the_general_build_is_announced_where_there_is_none(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The person learns what is downloaded and why, and how to avoid it."""
    setup.main("demo", machine)
    torch, _ = _told(machine)

    assert re.search(r" torch==[\d.]+ -c ", torch)
    assert setup.BIG in capsys.readouterr().err


def test_a_machine_with_a_driver_never_gets_the_cpu_build(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where an index offers it first."""
    monkeypatch.setattr(setup, "driver", lambda: True)
    (machine / "bin" / "python.cpu").touch()
    setup.main("demo", machine)

    assert re.search(r" torch==([\d.]+),!=\1\+cpu ", _told(machine)[0])
