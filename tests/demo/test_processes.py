"""The demo's child processes: stop signals, SIGKILL and the parent death signal."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from demo.processes import DemoProcess, stop_processes
from testing.environment import REPOSITORY, clean_environment
from testing.process_tree import find_survivors

IGNORES_SIGTERM: Final = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""
PARENT: Final = """
import signal, sys
from pathlib import Path
from demo.processes import DemoProcess
command = [sys.executable, "-c", "import signal; signal.pause()"]
child = DemoProcess("c", command, log=Path(sys.argv[1]))
print(child.pid, flush=True)
signal.pause()
"""


def _start_process(code: str, log: Path) -> DemoProcess:
    return DemoProcess("child", [sys.executable, "-uc", code], log=log)


def _wait_for_first_line(child: DemoProcess) -> str:
    while child.poll_status() is None:
        words = child.read_log_tail()
        if words:
            return words.splitlines()[0]
    pytest.fail(child.read_log_tail())


def test_cooperative_process_ends_on_first_sigterm(tmp_path: Path) -> None:
    """A process that handles SIGTERM gets no further signal."""
    child = _start_process("import signal; print('up'); signal.pause()", tmp_path / "log")
    assert _wait_for_first_line(child) == "up"
    stop_processes([child])

    assert child.poll_status() == -signal.SIGTERM


def test_process_ignoring_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    """A process that ignores two SIGTERM is killed with its process group."""
    child = _start_process(IGNORES_SIGTERM, tmp_path / "log")
    grandchild = int(_wait_for_first_line(child))
    stop_processes([child], interval=0.2)

    assert child.poll_status() == -signal.SIGKILL
    assert not find_survivors({grandchild})


def test_draining_process_receives_second_sigterm(tmp_path: Path) -> None:
    """A process that drains after the first SIGTERM receives the second."""
    code = """
import signal, sys
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1) or (len(asked) > 1 and sys.exit(7)))
print("up")
while True:
    signal.pause()
"""
    child = _start_process(code, tmp_path / "log")
    assert _wait_for_first_line(child) == "up"
    stop_processes([child], interval=2.0)

    assert child.poll_status() == 7


def test_log_tail_of_ended_process_is_readable(tmp_path: Path) -> None:
    """The last log lines explain the failure to the person."""
    child = _start_process(
        "import sys; print(1); print(2); sys.exit('no such model')", tmp_path / "log"
    )

    assert child.wait_for_exit(20)
    assert child.poll_status() == 1
    assert child.read_log_tail(2) == "2\nno such model"
    stop_processes([child])


def test_children_die_with_killed_parent(tmp_path: Path) -> None:
    """SIGKILL of the parent ends its children, too."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path / "log"],
        cwd=REPOSITORY,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()

    assert not find_survivors({pid})


def test_command_does_not_start_after_parent_death() -> None:
    """The kernel reports only later deaths, so the wrapper checks its parent once."""
    command = [sys.executable, "-m", "demo.parent_death", "1", "SIGKILL", "echo", "begun"]
    found = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        check=False,
        text=True,
    )

    assert (found.returncode, found.stdout) == (1, "")
