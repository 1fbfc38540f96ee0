"""Named points at which a test may end or pause a process; without a setting they do nothing."""

import os
import signal
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Self


class Effect(StrEnum):
    """What happens at a point: the process dies at once, or is paused until somebody goes on."""

    KILL = "kill"
    PAUSE = "pause"


SIGNALS: Final = {Effect.KILL: signal.SIGKILL, Effect.PAUSE: signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault: the `nth` time that `point` is reached."""

    point: StrEnum
    effect: Effect
    nth: int = 1


class Faults:
    """The planned faults of this process. A room's own `Faults` names its `points`."""

    points: ClassVar[type[StrEnum]]

    def __init__(self, *plan: Fault) -> None:
        """Plan faults; with none, `reach` does nothing."""
        self.plan = plan
        self._effects = {(fault.point, fault.nth): fault.effect for fault in plan}
        self._reached: Counter[StrEnum] = Counter()

    @classmethod
    def read(cls, text: str) -> Self:
        """
        Read faults separated by commas, each `point:effect` or `point:effect:nth`.

        An empty text plans none. Raises `ValueError` for anything else.
        """
        return cls(*(cls._fault(one.strip()) for one in text.split(",") if one.strip()))

    def reach(self, point: StrEnum) -> None:
        """Let the fault that is planned for this moment happen."""
        if not self._effects:
            return
        self._reached[point] += 1
        effect = self._effects.get((point, self._reached[point]))
        if effect is not None:
            os.kill(os.getpid(), SIGNALS[effect])

    @classmethod
    def _fault(cls, text: str) -> Fault:
        point, effect, nth = (text if text.count(":") > 1 else f"{text}:1").split(":")
        return Fault(cls.points(point), Effect(effect), int(nth))
