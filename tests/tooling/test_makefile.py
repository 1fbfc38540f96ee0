"""The Makefile: its help, and the unchanged passing of a question."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from testing.environment import REPOSITORY, clean_environment

MAKEFILE: Final = (REPOSITORY / "Makefile").read_text("utf-8")


def _run_make(*arguments: str, folder: Path = REPOSITORY) -> str:
    found = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout


def test_help_lists_every_target_of_make() -> None:
    """A plain `make` lists all targets."""
    targets = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()

    assert re.findall(r"^  make (\w+) +\S", _run_make(), re.MULTILINE) == targets


@pytest.fixture
def fake_checkout(tmp_path: Path) -> Path:
    """A checkout whose Python prints its arguments."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor word; do printf "<%s>" "$word"; done\n')
    python.chmod(0o755)
    (tmp_path / "Makefile").write_text(MAKEFILE, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "question", ["What is a mutex?", """don't `ls` "this" $HOME $(pwd)""", "a; exit 1", "--no"]
)
def test_question_reaches_demo_unquoted(question: str, fake_checkout: Path) -> None:
    """Neither make nor the shell interprets quotes, dollars or semicolons."""
    output = _run_make("demo", f"ASK={question}", "PYTHON=true", folder=fake_checkout)

    assert output == f"<-m><demo><--ask={question}>"


@pytest.mark.parametrize("ask", [(), ("ASK=",)])
def test_empty_question_is_not_passed_on(ask: tuple[str, ...], fake_checkout: Path) -> None:
    """An empty question is not passed on."""
    assert _run_make("demo", *ask, "PYTHON=true", folder=fake_checkout) == "<-m><demo>"
