"""The Makefile: its help, and a question that arrives as it was typed."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from testing.processes import REPOSITORY, environment

MAKEFILE: Final = (REPOSITORY / "Makefile").read_text("utf-8")


def _make(*arguments: str, folder: Path = REPOSITORY) -> str:
    found = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout


def test_help_lists_every_target() -> None:
    """A plain `make` says what there is; nothing has to be read in the file."""
    targets = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()

    assert re.findall(r"^  make (\w+) +\S", _make(), re.MULTILINE) == targets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout whose Python only says what it was called with."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor word; do printf "<%s>" "$word"; done\n')
    python.chmod(0o755)
    (tmp_path / "Makefile").write_text(MAKEFILE, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "question", ["What is a mutex?", """don't `ls` "this" $HOME $(pwd)""", "a; exit 1", "--no"]
)
def test_a_question_arrives_as_it_was_typed(question: str, folder: Path) -> None:
    """Neither make nor the shell reads quotes, dollars or semicolons in it."""
    said = _make("demo", f"ASK={question}", "PYTHON=true", folder=folder)

    assert said == f"<-m><demo><--ask={question}>"


@pytest.mark.parametrize("ask", [(), ("ASK=",)])
def test_without_a_question_the_demo_stays(ask: tuple[str, ...], folder: Path) -> None:
    """No empty question is passed on."""
    assert _make("demo", *ask, "PYTHON=true", folder=folder) == "<-m><demo>"
