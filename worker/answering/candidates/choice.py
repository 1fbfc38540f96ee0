"""
Choice among candidates: what checks say about the code of each, as one number. Pure.

Equal texts have equal scores, and of equal scores the first candidate wins. The same seeds
therefore always end in the same choice.
"""

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

from contract.code_verdicts import VerdictKind
from worker.render.model import BlockFindings, CodeBlock, Piece

FENCE: Final = re.compile("```|~~~")
FENCE_LENGTH: Final = 3
PARSED: Final = frozenset({VerdictKind.PARSES, VerdictKind.GUESSED})


class Score(IntEnum):
    """
    What holds for the code of a candidate; each step includes the ones before.

    Hints come last: in code that does not parse, none can be found.
    """

    NO_CODE = 0
    """There is no code, or a fence without an end."""
    CLOSED = 1
    """Every fence has an end."""
    PARSES = 2
    """A parser accepts every block."""
    NO_HINT = 3
    """There is no hint about safety. All of them are of medium severity or above."""


def score_code(pieces: Sequence[Piece], findings: Mapping[CodeBlock, BlockFindings]) -> Score:
    """Return the score of a finished reply. A block that no parser could read does not parse."""
    blocks = [piece for piece in pieces if isinstance(piece, CodeBlock) and not piece.is_table]
    if not blocks or any(block.unclosed for block in blocks):
        return Score.NO_CODE
    found = [findings.get(block) for block in blocks]
    known = [one for one in found if one is not None and one.verdict.kind in PARSED]
    if len(known) < len(blocks):
        return Score.CLOSED
    return Score.PARSES if any(one.risks for one in known) else Score.NO_HINT


def choose_candidate(scores: Sequence[Score | None]) -> int:
    """
    Return the index of the best score: the first one's, unless another is strictly better.

    `None` is a candidate that was left out: it was given up, or not checked in time.
    """
    first = scores[0]
    if first is None:
        return 0
    known = [-1 if score is None else int(score) for score in scores]
    return known.index(max(known))


def has_fence(text: str, start: int) -> bool:
    """Return whether a growing text has opened a fence; the first `start` characters had none."""
    return FENCE.search(text, max(0, start - FENCE_LENGTH + 1)) is not None
