"""
Work limits: bounds on the renderer's work for one reply, in units of about a microsecond.

The Markdown parser is linear, but it is slow for some text. A model can write such text at length.
Beyond the budget a reply is not parsed further; the whole of it then follows as a file.
"""

import re
from collections.abc import Sequence
from itertools import accumulate, takewhile
from typing import Final

MAX_REPLY_CHARACTERS: Final = 120_000
"""A reply is cut here; 8,191 tokens of prose or code are about 32,000 characters."""
FINAL_BUDGET: Final = 18_000
"""Units for a finished reply."""
LOOKUP_BUDGET: Final = 400_000
"""Units for a look at where code blocks end; no Markdown is parsed."""
GROWING_BUDGET: Final = 8_000
"""Units for one edit of a growing reply."""

MAX_LINE_CHARACTERS: Final = 20_000
"""A longer line of prose ends the budget."""
LINE_COST: Final = 45
"""Units for one line of prose: each may begin a list, a quote or a table."""
EMPTY_LINE_COST: Final = 4
"""Units for one line without text."""
MARK_COST: Final = 15
"""Units for one character that may begin a style, a link or a table cell."""
LIST_LINE_COST: Final = 20
"""Further units for a line that begins an item, a quote or a heading."""
CODE_LINE_COST: Final = 3
"""Units for one line of code, which is not parsed."""
FENCE_LINE_COST: Final = 10
"""Further units for a line with a fence, which may open or close a block."""
CHARACTERS_PER_UNIT: Final = 8
"""Characters of ASCII prose that cost one unit."""
OTHER_CHARACTERS_PER_UNIT: Final = 2
"""Characters that cost one unit in a line with others than ASCII: some are invisible."""

MARKS: Final = re.compile(r"[*_~`\\\[\]!<&|]|[-+>](?=[ \t>])|(?<=\w)[.:](?=[\w/])")
"""Characters that may begin a style, link, cell, quote, list item or address."""

CONTAINER_START: Final = re.compile(r"[ \t]*+(?:\d{1,9}+[.)]|[-+*>]|\#{1,6})(?=[ \t]|\Z)")
FENCE_MARK: Final = re.compile("```|~~~")


class WorkBudget:
    """The units that remain for one reply."""

    def __init__(self, units: int) -> None:
        """Start with `units`."""
        self._remaining = units
        self.is_exhausted = False
        """Whether something was left out."""

    def spend_on_prose(self, line: str) -> bool:
        """Pay for a line of prose; return whether the budget allowed it."""
        if len(line) > MAX_LINE_CHARACTERS:
            return self._spend(self._remaining + 1)
        if not line.strip():
            return self._spend(EMPTY_LINE_COST + _cost_of_length(line))
        line_cost = LINE_COST + (LIST_LINE_COST if CONTAINER_START.match(line) else 0)
        mark_cost = MARK_COST * len(MARKS.findall(line))
        return self._spend(line_cost + mark_cost + _cost_of_length(line))

    def spend_on_code(self, line: str) -> bool:
        """Pay for a line of code; return whether the budget allowed it."""
        length_cost = 0 if line.isascii() else _cost_of_length(line)
        return self._spend(_cost_of_code(line) + length_cost)

    def select_affordable(self, lines: Sequence[str]) -> Sequence[str]:
        """Return the lines at the beginning that the budget allows if all of them are code."""
        costs = accumulate(map(_cost_of_code, lines[: self._remaining // CODE_LINE_COST + 1]))
        return lines[: sum(1 for _ in takewhile(lambda cost: cost <= self._remaining, costs)) + 1]

    def _spend(self, units: int) -> bool:
        self._remaining -= units
        self.is_exhausted = self.is_exhausted or self._remaining < 0
        return not self.is_exhausted


def _cost_of_code(line: str) -> int:
    return CODE_LINE_COST + (FENCE_LINE_COST if FENCE_MARK.search(line) else 0)


def _cost_of_length(line: str) -> int:
    return len(line) // (CHARACTERS_PER_UNIT if line.isascii() else OTHER_CHARACTERS_PER_UNIT)
