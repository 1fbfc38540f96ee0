"""
Failpoints: named points at which a test kills or pauses the process. Off in production.

The idea is that of FreeBSD's fail(9) and TiKV's fail-rs.
"""

import os
import signal
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Self


class Action(StrEnum):
    """What happens at a failpoint: the process is killed, or paused until it receives SIGCONT."""

    KILL = "kill"
    PAUSE = "pause"


SIGNALS: Final = {Action.KILL: signal.SIGKILL, Action.PAUSE: signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class ArmedFailpoint:
    """A failpoint with its action, taken the `nth` time that the process reaches the point."""

    failpoint: StrEnum
    action: Action
    nth: int = 1


class Failpoints:
    """The armed failpoints of this process. Each process's subclass names its own `points`."""

    points: ClassVar[type[StrEnum]]

    def __init__(self, *plan: ArmedFailpoint) -> None:
        """Arm the failpoints of a plan; with an empty plan, `hit` does nothing."""
        self.plan = plan
        self._actions = {(armed.failpoint, armed.nth): armed.action for armed in plan}
        self._hits: Counter[StrEnum] = Counter()

    @classmethod
    def parse_plan(cls, text: str) -> Self:
        """
        Parse failpoints separated by commas, each `point:action` or `point:action:nth`.

        An empty text arms none. Raises `ValueError` for anything else.
        """
        return cls(*(cls._parse_failpoint(one.strip()) for one in text.split(",") if one.strip()))

    def hit(self, failpoint: StrEnum) -> None:
        """Count that `failpoint` was reached; take the action that is armed for this count."""
        if not self._actions:
            return
        self._hits[failpoint] += 1
        action = self._actions.get((failpoint, self._hits[failpoint]))
        if action is not None:
            os.kill(os.getpid(), SIGNALS[action])

    @classmethod
    def _parse_failpoint(cls, text: str) -> ArmedFailpoint:
        failpoint, action, nth = (text if text.count(":") > 1 else f"{text}:1").split(":")
        return ArmedFailpoint(cls.points(failpoint), Action(action), int(nth))
