"""Stop checker: decides from a growing reply's text where the reply must end early."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.answering.stop_conditions.foreign_turns import ForeignTurnFinder
from worker.answering.stop_conditions.repetition import AT_LIMIT, ENDLESS, find_loop
from worker.answering.stop_conditions.spelled_controls import SpelledControlFinder
from worker.answering.stop_conditions.turn_labels import TurnLabels
from worker.engine import FinishReason
from worker.render.code_lookup import CodeLookup
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

    def __init__(self, labels: TurnLabels, stop_strings: Sequence[str]) -> None:
        """`labels` are those of the conversation, `stop_strings` those of the chat format."""
        self._controls = SpelledControlFinder(stop_strings, CodeLookup())
        self._turns = ForeignTurnFinder(labels, CodeLookup())
        self._checked_characters = 0

    def find_cut(self, text: str) -> ReplyCut | None:
        """Return where a longer version of the text before must end; `None` if it may continue."""
        cut = self._find_first(text, is_complete=False)
        if cut is not None or len(text) < self._checked_characters + LOOP_CHECK_CHARACTERS:
            return cut
        self._checked_characters = len(text)
        loop = find_loop(text, ENDLESS)
        return None if loop is None else ReplyCut(loop, CutReason.REPETITION)

    def find_final_cut(self, text: str, reason: FinishReason) -> ReplyCut | None:
        """Return where the whole text of a finished reply must end."""
        cut = self._find_first(text, is_complete=True)
        if cut is not None or reason not in LIMITS:
            return cut
        loop = find_loop(text, AT_LIMIT)
        return None if loop is None else ReplyCut(loop, CutReason.REPETITION)

    def settled_text(self, text: str) -> str:
        """Return what a reader may see: without a possible turn or beginning of a control token."""
        settled = text[: self._turns.undecided]
        return settled[: len(settled) - self._controls.count_uncertain(settled)]

    def _find_first(self, text: str, *, is_complete: bool) -> ReplyCut | None:
        """Return a person's turn or a spelled control token, the first of both."""
        control = self._controls.find_control(text)
        turn = self._turns.find_turn(text[:control], is_complete=is_complete or control is not None)
        if turn is not None:
            return ReplyCut(turn, CutReason.FOREIGN_TURN)
        return None if control is None else ReplyCut(control, CutReason.SPELLED_CONTROL)
