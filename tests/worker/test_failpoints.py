"""Planned faults: nothing without a plan, and exactly what was planned with one."""

import signal
import subprocess
import sys

import pytest

from contract.failpoints import Action, ArmedFailpoint
from worker.failpoints import Failpoint, Failpoints


def test_without_a_plan_nothing_happens() -> None:
    """In production every point is passed a million times."""
    faults = Failpoints.parse_plan("")
    for point in Failpoint:
        faults.hit(point)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("generating:kill", ArmedFailpoint(Failpoint.GENERATING, Action.KILL, 1)),
        ("after_final:pause:3", ArmedFailpoint(Failpoint.AFTER_FINAL, Action.PAUSE, 3)),
    ],
)
def test_a_plan_is_read_from_text(text: str, fault: ArmedFailpoint) -> None:
    """A point, what happens there, and at which time."""
    assert Failpoints.parse_plan(text).plan == (fault,)


@pytest.mark.parametrize(
    "text", ["generating", "generating:burn", "nowhere:kill", "generating:kill:x", "a:b:c:d"]
)
def test_a_wrong_plan_is_refused(text: str) -> None:
    """A test that misspells its fault does not pass by doing nothing."""
    with pytest.raises(ValueError, match=r"\w"):
        Failpoints.parse_plan(text)


def test_the_planned_time_is_the_time() -> None:
    """The process dies the second time, not the first."""
    program = (
        "from worker.failpoints import Failpoint, Failpoints\n"
        "failpoints = Failpoints.parse_plan('generating:kill:2, after_final:pause')\n"
        "failpoints.hit(Failpoint.CLAIMED)\n"
        "failpoints.hit(Failpoint.GENERATING); print('once', flush=True)\n"
        "failpoints.hit(Failpoint.GENERATING); print('twice', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "once\n"
    assert done.returncode == -signal.SIGKILL
