"""
Work limits: bounds on the renderer's work for one reply, in units of about a microsecond.

The Markdown parser is linear, but it is slow for some text. A model can write such text at length.
Beyond the budget a reply is not parsed further; the whole of it then follows as a file.
"""

import re
from typing import Final

MAX_REPLY_CHARACTERS: Final = 120_000
"""A reply is cut here; 8,191 tokens of prose or code are about 32,000 characters."""
FINAL_BUDGET: Final = 20_000
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
CODE_LINE_COST: Final = 3
"""Units for one line of code, which is not parsed."""
CHARACTERS_PER_UNIT: Final = 8
"""Characters of prose that cost one unit."""

MARKS: Final = re.compile(r"[*_~`\\\[\]!<&|]|[-+>](?=[ \t>])|(?<=\w)[.:](?=[\w/])")
"""Characters that may begin a style, link, cell, quote, list item or address."""


class WorkBudget:
    """The units that remain for one reply."""

    def __init__(self, units: int) -> None:
        """Start with `units`."""
        self._remaining = units
        self.max_lines = units // CODE_LINE_COST
        """Lines that the budget allows at most."""
        self.is_exhausted = False
        """Whether something was left out."""

    def spend_on_prose(self, line: str) -> bool:
        """Pay for a line of prose; return whether the budget allowed it."""
        if len(line) > MAX_LINE_CHARACTERS:
            return self._spend(self._remaining + 1)
        length_cost = len(line) // CHARACTERS_PER_UNIT
        if not line.strip():
            return self._spend(EMPTY_LINE_COST + length_cost)
        return self._spend(LINE_COST + MARK_COST * len(MARKS.findall(line)) + length_cost)

    def spend_on_code(self) -> bool:
        """Pay for a line of code; return whether the budget allowed it."""
        return self._spend(CODE_LINE_COST)

    def _spend(self, units: int) -> bool:
        self._remaining -= units
        self.is_exhausted = self.is_exhausted or self._remaining < 0
        return not self.is_exhausted
