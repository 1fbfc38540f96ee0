"""`python -m demo` as a process: it starts everything, answers, and leaves no process behind."""

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
from testing.checkpoints import memorizing_checkpoint
from testing.environment import REPOSITORY, clean_environment
from testing.fork_server import forked_engine_environment
from testing.memorizing_model import ANSWERS, MUTEX, REVERSE
from testing.process_tree import find_survivors, list_descendants
from testing.processes import Process

START_TIMEOUT_SECONDS: Final = 120.0
"""Seconds until everything must be up, on a busy machine."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory for the demo's data and logs."""
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def model() -> str:
    """A small model that has memorized a few answers."""
    return str(memorizing_checkpoint())


def _start_demo(home: Path, model: str, *arguments: str, **variables: str) -> Process:
    variables |= {"STARCHAT_MODEL": model, "STARCHAT_TEMPERATURE": "0", "STARCHAT_DEVICE": "cpu"}
    return Process("demo", "--home", str(home), "--port", "0", *arguments, **variables)


def _ask_demo(home: Path, question: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "demo", "--home", home, "--ask", question],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_demo_answers_restarts_valkey_and_stops_on_interrupt(home: Path, model: str) -> None:
    """Other commands ask through it, a killed Valkey is restarted, and Ctrl-C ends everything."""
    with _start_demo(home, model, "--no-question") as demo:
        address = demo.wait_for_line("  Open http", START_TIMEOUT_SECONDS).split()[1]
        with _start_demo(home, model) as second_demo:
            assert second_demo.wait_for_exit() == 0
        code_reply = _ask_demo(home, REVERSE)
        valkey_pid = Valkey(home / "valkey").query_pid()
        assert valkey_pid is not None
        os.kill(valkey_pid, signal.SIGKILL)
        reply_after_restart = _ask_demo(home, MUTEX)
        children = list_descendants(demo.pid)
        demo.send_signal(signal.SIGINT)
        status = demo.wait_for_exit()

    assert second_demo.lines == [f"demo: already running at {address}"]
    _assert_complete(code_reply, ANSWERS[REVERSE])
    _assert_complete(reply_after_restart, ANSWERS[MUTEX])
    assert status == 0
    assert demo.lines[-1] == "demo: stopped, nothing is left running"
    assert len(children) >= 4
    assert not find_survivors(children)
    assert Valkey(home / "valkey").query_pid() is None


def _assert_complete(completed: "subprocess.CompletedProcess[str]", answer: str) -> None:
    """Assert that `--ask` printed all lines of an answer, its code and the disclaimer."""
    assert completed.returncode == 0, completed.stderr
    printed = [line.strip() for line in completed.stdout.splitlines()]
    for line in answer.splitlines():
        assert line.strip() in printed or "```" in line or not line
    assert "It may be wrong" in " ".join(printed)


def test_killed_demo_leaves_no_process(home: Path, model: str) -> None:
    """SIGKILL of the launcher alone, during the start, ends all of its processes."""
    demo = _start_demo(home, model, **forked_engine_environment())
    demo.wait_for_line("demo: loading", START_TIMEOUT_SECONDS)
    children = list_descendants(demo.pid)
    os.kill(demo.pid, signal.SIGKILL)
    demo.wait_for_exit()

    assert len(children) >= 4
    assert not find_survivors(children, START_TIMEOUT_SECONDS)


def test_demo_reports_log_of_failed_process(home: Path) -> None:
    """A missing model ends the demo with one line and the worker's log tail below it."""
    engine = forked_engine_environment()
    with _start_demo(home, "/nowhere/model", "--ask", MUTEX, **engine) as demo:
        status = demo.wait_for_exit(START_TIMEOUT_SECONDS)

    assert status == 1
    assert "demo: worker exited with status 1" in demo.log_text
    assert str(home / "logs" / "worker.log") in demo.log_text
    assert "Traceback" not in demo.log_text
