"""Named points at which a test may end or pause the worker; without a setting they do nothing."""

import os
import signal
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Point(StrEnum):
    """A moment in the life of a reply after which everything so far must still hold."""

    DEQUEUED = "dequeued"
    CLAIMED = "claimed"
    BEFORE_PLACEHOLDER = "before_placeholder"
    AFTER_PLACEHOLDER_POST = "after_placeholder_post"
    AFTER_PLACEHOLDER_SAVED = "after_placeholder_saved"
    GENERATING = "generating"
    BEFORE_ANSWER_SAVED = "before_answer_saved"
    AFTER_ANSWER_SAVED = "after_answer_saved"
    AFTER_FINAL = "after_final"
    AFTER_PART_POST = "after_part_post"
    AFTER_FILE_UPLOADED = "after_file_uploaded"
    AFTER_FILE_POST = "after_file_post"
    BEFORE_FINISH = "before_finish"
    AFTER_FINISH = "after_finish"


class Effect(StrEnum):
    """What happens at a point: the process dies at once, or is paused until somebody goes on."""

    KILL = "kill"
    PAUSE = "pause"


SIGNALS = {Effect.KILL: signal.SIGKILL, Effect.PAUSE: signal.SIGSTOP}


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault: the `nth` time that `point` is reached."""

    point: Point
    effect: Effect
    nth: int = 1

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `point:effect` or `point:effect:nth`. Raises `ValueError` for anything else."""
        point, effect, nth = (text if text.count(":") > 1 else f"{text}:1").split(":")
        return cls(Point(point), Effect(effect), int(nth))


class Faults:
    """The planned faults of this process."""

    def __init__(self, *plan: Fault) -> None:
        """Plan faults; with none, `reach` does nothing."""
        self._plan = {(fault.point, fault.nth): fault.effect for fault in plan}
        self._reached: Counter[Point] = Counter()

    @classmethod
    def read(cls, text: str) -> Self:
        """Read faults separated by commas; an empty text plans none."""
        return cls(*(Fault.read(one.strip()) for one in text.split(",") if one.strip()))

    def reach(self, point: Point) -> None:
        """Let the fault that is planned for this moment happen."""
        if not self._plan:
            return
        self._reached[point] += 1
        effect = self._plan.get((point, self._reached[point]))
        if effect is not None:
            os.kill(os.getpid(), SIGNALS[effect])
