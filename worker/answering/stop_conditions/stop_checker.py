"""Stop checker: decides from a growing reply's text where the reply must end early."""

from typing import Final, NamedTuple

from worker.answering.stop_conditions.foreign_turns import ForeignTurnFinder
from worker.answering.stop_conditions.repetition import AT_LIMIT, ENDLESS, find_loop
from worker.answering.stop_conditions.turn_labels import TurnLabels
from worker.engine import FinishReason
from worker.render.model import CutReason

LOOP_CHECK_CHARACTERS: Final = 500
"""New characters after which the text is checked for a loop."""
LIMITS: Final = frozenset({FinishReason.LENGTH, FinishReason.TIMEOUT})
"""Finish reasons of a reply that might have gone on."""


class ReplyCut(NamedTuple):
    """The length at which a reply is cut, and why."""

    length: int
    reason: CutReason


class StopChecker:
    """Checks one reply while it grows, in time linear in its length."""

    def __init__(self, labels: TurnLabels) -> None:
        """`labels` are those of the conversation."""
        self._turns = ForeignTurnFinder(labels)
        self._checked_characters = 0

    def find_cut(self, text: str) -> ReplyCut | None:
        """Return where a longer version of the text before must end; `None` if it may continue."""
        turn = self._turns.find_turn(text, is_complete=False)
        if turn is not None:
            return ReplyCut(turn, CutReason.FOREIGN_TURN)
        if len(text) < self._checked_characters + LOOP_CHECK_CHARACTERS:
            return None
        self._checked_characters = len(text)
        loop = find_loop(text, ENDLESS)
        return None if loop is None else ReplyCut(loop, CutReason.REPETITION)

    def find_final_cut(self, text: str, reason: FinishReason) -> ReplyCut | None:
        """Return where the whole text of a finished reply must end."""
        turn = self._turns.find_turn(text, is_complete=True)
        if turn is not None:
            return ReplyCut(turn, CutReason.FOREIGN_TURN)
        loop = find_loop(text, AT_LIMIT) if reason in LIMITS else None
        return None if loop is None else ReplyCut(loop, CutReason.REPETITION)

    def settled_text(self, text: str) -> str:
        """Return the part of the text that a reader may see: without a possible foreign turn."""
        return text[: self._turns.undecided]
