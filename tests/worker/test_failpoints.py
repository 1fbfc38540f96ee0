"""Failpoints: inactive by default, and exact when armed."""

import signal
import subprocess
import sys

import pytest

from contract.failpoints import Action, ArmedFailpoint
from worker.failpoints import Failpoint, Failpoints


def test_disarmed_failpoints_do_nothing() -> None:
    """Production hits every failpoint millions of times."""
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
def test_plan_is_parsed_from_text(text: str, fault: ArmedFailpoint) -> None:
    """Each entry names a failpoint, an action and the number of the hit."""
    assert Failpoints.parse_plan(text).plan == (fault,)


@pytest.mark.parametrize(
    "text", ["generating", "generating:burn", "nowhere:kill", "generating:kill:x", "a:b:c:d"]
)
def test_malformed_plan_is_rejected(text: str) -> None:
    """A misspelled failpoint raises."""
    with pytest.raises(ValueError, match=r"\w"):
        Failpoints.parse_plan(text)


def test_process_dies_at_the_planned_hit() -> None:
    """It dies at the second hit, not at the first."""
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
