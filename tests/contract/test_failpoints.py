"""Failpoints: parsed from one setting, and taken at the planned hit alone."""

import os
import signal
from enum import StrEnum

import pytest

from contract.failpoints import Action, ArmedFailpoint, Failpoints


class Point(StrEnum):
    """Failpoints of an example process."""

    BEFORE = "before"
    AFTER = "after"


class ExampleFailpoints(Failpoints):
    """Armed failpoints of an example process."""

    points = Point


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Record the signals that this process sends, in place of sending them."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *arguments: sent.append(arguments))
    return sent


def test_empty_plan_arms_nothing(signals: list[tuple[int, int]]) -> None:
    """Production hits every failpoint, and pays for none."""
    failpoints = ExampleFailpoints.parse_plan(" , ")
    failpoints.hit(Point.BEFORE)

    assert (failpoints.plan, signals) == ((), [])


def test_armed_failpoint_sends_one_signal(signals: list[tuple[int, int]]) -> None:
    """A failpoint is taken at its planned hit; hits of others do not count."""
    failpoints = ExampleFailpoints.parse_plan("before:pause:2, after:kill")
    for point in (Point.BEFORE, Point.AFTER, Point.BEFORE, Point.BEFORE):
        failpoints.hit(point)

    assert failpoints.plan == (
        ArmedFailpoint(Point.BEFORE, Action.PAUSE, 2),
        ArmedFailpoint(Point.AFTER, Action.KILL),
    )
    assert signals == [(os.getpid(), signal.SIGKILL), (os.getpid(), signal.SIGSTOP)]


@pytest.mark.parametrize("text", ["before", "nowhere:kill", "before:burn", "before:kill:x"])
def test_malformed_plan_is_rejected(text: str) -> None:
    """A misspelled failpoint raises."""
    with pytest.raises(ValueError, match=r"\w"):
        ExampleFailpoints.parse_plan(text)
