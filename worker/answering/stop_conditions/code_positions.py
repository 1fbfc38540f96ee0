"""
Code positions: whether a place in a growing reply is code, by the rules of the rendered reply.

In doubt it is code: a reply is not cut there.
"""

import re
from typing import Final

from worker.render.code_lookup import LineKind, find_line_kind

MAX_PASSES: Final = 64
"""Passes over one reply. A further place counts as code."""
FENCE: Final = re.compile(r"```|~~~")
BACKTICKS: Final = re.compile("`++")
MAX_SPAN: Final = 1_000
"""Characters before a place in which inline code may begin."""


class CodePositions:
    """Looks up places of one reply, in order, so that each pass begins where the last one ended."""

    def __init__(self) -> None:
        """Start without a place."""
        self._remaining_passes = MAX_PASSES
        self._open_block: int | None = None
        self._prose_line = 0
        """Start of a line outside all code: nothing before it matters."""

    def contains(self, text: str, start: int, end: int) -> bool:
        """Whether the characters from `start` to `end`, which are in one line, are code."""
        if self._open_block is not None and not FENCE.search(text, self._open_block, start):
            return True
        self._open_block = None
        self._remaining_passes -= 1
        if self._remaining_passes < 0:
            return True
        line_start = text.rfind("\n", 0, start) + 1
        kind = find_line_kind(text[self._prose_line : end], text[line_start:end])
        if kind is LineKind.OPEN_BLOCK:
            self._open_block = end
        if kind is not LineKind.PROSE:
            return True
        self._prose_line = line_start
        return _is_in_span(text[max(line_start, start - MAX_SPAN) : start])


def _is_in_span(before: str) -> bool:
    """Whether inline code that began before is still open."""
    opening = ""
    for run in BACKTICKS.findall(before):
        opening = run if not opening else "" if run == opening else opening
    return bool(opening)
