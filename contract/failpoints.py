"""Named points at which a test may end or pause a process; without a setting they do nothing."""

import os
import signal
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Self


class Action(StrEnum):
    """What happens at a point: the process dies at once, or is paused until somebody goes on."""

    KILL = "kill"
    PAUSE = "pause"


SIGNALS: Final = {Action.KILL: signal.SIGKILL, Action.PAUSE: signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class ArmedFailpoint:
    """One planned fault: the `nth` time that `point` is reached."""

    failpoint: StrEnum
    action: Action
    nth: int = 1


class Failpoints:
    """The planned faults of this process. A room's own `Faults` names its `points`."""

    points: ClassVar[type[StrEnum]]

    def __init__(self, *plan: ArmedFailpoint) -> None:
        """Plan faults; with none, `reach` does nothing."""
        self.plan = plan
        self._actions = {(fault.failpoint, fault.nth): fault.action for fault in plan}
        self._hits: Counter[StrEnum] = Counter()

    @classmethod
    def parse_plan(cls, text: str) -> Self:
        """
        Read faults separated by commas, each `point:effect` or `point:effect:nth`.

        An empty text plans none. Raises `ValueError` for anything else.
        """
        return cls(*(cls._parse_failpoint(one.strip()) for one in text.split(",") if one.strip()))

    def hit(self, failpoint: StrEnum) -> None:
        """Let the fault that is planned for this moment happen."""
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
