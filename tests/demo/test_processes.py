"""The demo's processes: they end when asked, when not asked, and when their parent is gone."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from demo.processes import Child, stop
from testing.process_tree_end import surviving
from testing.processes import REPOSITORY, environment

STUBBORN: Final = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""
PARENT: Final = """
import signal, sys
from pathlib import Path
from demo.processes import Child
child = Child("c", [sys.executable, "-c", "import signal; signal.pause()"], log=Path(sys.argv[1]))
print(child.pid, flush=True)
signal.pause()
"""


def _child(code: str, log: Path) -> Child:
    return Child("child", [sys.executable, "-uc", code], log=log)


def _first_line(child: Child) -> str:
    while child.status() is None:
        words = child.last_words()
        if words:
            return words.splitlines()[0]
    pytest.fail(child.last_words())


def test_a_child_that_listens_ends_at_the_first_request(tmp_path: Path) -> None:
    """SIGTERM is enough for a process that does not resist."""
    child = _child("import signal; print('up'); signal.pause()", tmp_path / "log")
    assert _first_line(child) == "up"
    stop([child])

    assert child.status() == -signal.SIGTERM


def test_a_stubborn_child_and_its_own_child_are_ended_by_force(tmp_path: Path) -> None:
    """Who ignores two requests is killed, with everything it started."""
    child = _child(STUBBORN, tmp_path / "log")
    grandchild = int(_first_line(child))
    stop([child], patience=0.2)

    assert child.status() == -signal.SIGKILL
    assert not surviving({grandchild})


def test_the_second_request_reaches_a_child_that_drains(tmp_path: Path) -> None:
    """A process that finishes its work on the first SIGTERM hears of the second."""
    code = """
import signal, sys
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1) or (len(asked) > 1 and sys.exit(7)))
print("up")
while True:
    signal.pause()
"""
    child = _child(code, tmp_path / "log")
    assert _first_line(child) == "up"
    stop([child], patience=2.0)

    assert child.status() == 7


def test_a_child_that_has_ended_says_its_last_words(tmp_path: Path) -> None:
    """The end of its log is what the person needs to read."""
    child = _child("import sys; print(1); print(2); sys.exit('no such model')", tmp_path / "log")

    assert child.wait(20)
    assert child.status() == 1
    assert child.last_words(2) == "2\nno such model"
    stop([child])


def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    """Even a parent that can do nothing any more leaves no process running."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tmp_path / "log"],
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()

    assert not surviving({pid})


def test_a_child_whose_parent_is_gone_already_never_begins() -> None:
    """The kernel only tells of later deaths, so the leash looks once itself."""
    command = [sys.executable, "-m", "demo.parent_death", "1", "SIGKILL", "echo", "begun"]
    found = subprocess.run(
        command, cwd=REPOSITORY, env=environment(), capture_output=True, check=False, text=True
    )

    assert (found.returncode, found.stdout) == (1, "")
