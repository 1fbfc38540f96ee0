"""`python -m demo` from outside: everything comes up, answers, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from demo.valkey import Valkey
from testing.checkpoints import taught_checkpoint
from testing.memorizing_model import ANSWERS, MUTEX, REVERSE
from testing.process_tree_end import descendants, surviving
from testing.processes import REPOSITORY, Process, environment

START: Final = 120.0
"""Seconds that everything may take to come up on a busy machine."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for the demo's data and logs."""
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def model() -> str:
    """A small model that knows a few answers by heart."""
    return str(taught_checkpoint())


def _demo(home: Path, model: str, *arguments: str) -> Process:
    variables = {"STARCHAT_MODEL": model, "STARCHAT_TEMPERATURE": "0", "STARCHAT_DEVICE": "cpu"}
    return Process("demo", "--home", str(home), "--port", "0", *arguments, **variables)


def _asked(home: Path, question: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "demo", "--home", home, "--ask", question],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_question_is_answered_and_everything_ends(home: Path, model: str) -> None:
    """`--ask` prints the reply, whole and with its code, and exits 0 with nothing left running."""
    with _demo(home, model, "--ask", REVERSE) as demo:
        demo.wait_for_line("demo: loading", START)
        kin = descendants(demo.pid)
        assert demo.wait(START) == 0

    said = [line.strip() for line in demo.lines]
    for line in ANSWERS[REVERSE].splitlines():
        assert line.strip() in said or "```" in line or not line
    assert "It may be wrong" in " ".join(said)
    assert len(kin) >= 4
    assert not surviving(kin)
    assert Valkey(home / "valkey").pid() is None


def test_it_stays_until_it_is_interrupted(home: Path, model: str) -> None:
    """Others may ask through it, a killed Valkey comes back, and Ctrl-C ends all of it."""
    with _demo(home, model, "--no-question") as demo:
        address = demo.wait_for_line("  Open http", START).split()[1]
        with _demo(home, model) as another:
            assert another.wait() == 0
        first = _asked(home, MUTEX)
        valkey = Valkey(home / "valkey").pid()
        assert valkey is not None
        os.kill(valkey, signal.SIGKILL)
        second = _asked(home, MUTEX)
        kin = descendants(demo.pid)
        demo.signal(signal.SIGINT)
        status = demo.wait()

    for found in (first, second):
        assert found.returncode == 0, found.stderr
        assert "A mutex lets one thread" in found.stdout
    assert another.lines == [f"demo: already running at {address}"]
    assert status == 0
    assert demo.lines[-1] == "demo: stopped, nothing is left running"
    assert not surviving(kin)


def test_a_killed_demo_leaves_nothing_behind(home: Path, model: str) -> None:
    """Even `kill -9` of the launcher alone, in the middle of the start, takes everything along."""
    demo = _demo(home, model)
    demo.wait_for_line("demo: loading", START)
    kin = descendants(demo.pid)
    os.kill(demo.pid, signal.SIGKILL)
    demo.wait()

    assert len(kin) >= 4
    assert not surviving(kin, START)


def test_a_process_that_dies_ends_the_demo_with_its_last_words(home: Path) -> None:
    """A model that is not there is said in one line with the worker's reason under it."""
    with _demo(home, "/nowhere/model", "--ask", MUTEX) as demo:
        status = demo.wait(START)

    assert status == 1
    assert "demo: worker ended with status 1" in demo.log
    assert str(home / "logs" / "worker.log") in demo.log
    assert "Traceback" not in demo.log
