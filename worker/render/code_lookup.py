"""Code lookup: whether a place in a growing reply is code, by the rules of its rendering."""

import re
from typing import Final

from worker.render import sanitize
from worker.render.code_runs import find_code_runs
from worker.render.fence_outlook import UnknownOutlook
from worker.render.fences import FenceScanner, extract_code_blocks
from worker.render.work_limits import LOOKUP_BUDGET, WorkBudget

BACKTICKS: Final = re.compile("`++")
MAX_SPAN_CHARACTERS: Final = 1_000
"""Characters before a place in which inline code may begin."""
MAX_RUN_LINES: Final = 40
"""Lines above a place in which code without a fence may begin."""
MAX_BARE_RETURNS: Final = 1_000
"""Carriage returns that a line may contain: each ends a line, but only line feeds are awaited."""
MAX_READ_CHARACTERS: Final = 20_000
"""Characters that are read in one step. Only a longer line exceeds this."""
MAX_PASSES: Final = 16
"""Passes over the beginning of one reply, if a fence may be read in two ways."""
MAX_PASS_CHARACTERS: Final = 4_000
"""Longer beginnings get no pass."""


class CodeLookup:
    """Reads each line of a growing reply once. In doubt a place is code."""

    def __init__(self) -> None:
        """Start before the first line."""
        self._outlook = UnknownOutlook()
        self._scanner = FenceScanner(WorkBudget(LOOKUP_BUDGET), self._outlook)
        self._next_line = 0
        self._lines = 0
        self._is_exhausted = False
        self._remaining_passes = MAX_PASSES

    def read_lines(self, text: str, end: int) -> None:
        """Read the complete lines of a longer version of the text up to `end`."""
        line_start = text.rfind("\n", 0, end) + 1
        if line_start <= self._next_line:
            return
        complete = text[self._next_line : line_start - 1]
        self._next_line = line_start
        returns = complete.count("\r") - complete.count("\n")
        if returns > MAX_BARE_RETURNS or len(complete) > MAX_READ_CHARACTERS:
            self._is_exhausted = True
            return
        for line in sanitize.sanitize_text(complete).split("\n"):
            if self._is_exhausted or not self._scanner.scan_line(self._lines, line):
                self._is_exhausted = True
            self._lines += 1

    def is_code(self, text: str, start: int, end: int) -> bool:
        """Whether the characters from `start` to `end`, in a line that was not read, are code."""
        self.read_lines(text, start)
        line = sanitize.sanitize_text(text[self._next_line : end][:MAX_PASS_CHARACTERS])
        if self._is_exhausted or self._outlook.may_be_open:
            return True
        if self._scanner.is_in_block(line) or _is_in_span(text[self._next_line : start]):
            return True
        lines = [*self._scanner.list_prose(MAX_RUN_LINES), line]
        if any(last == len(lines) for _, last in find_code_runs(lines)):
            return True
        return self._outlook.may_be_closed and self._pass_finds_code(text[:end], line)

    def _pass_finds_code(self, beginning: str, line: str) -> bool:
        self._remaining_passes -= 1
        if self._remaining_passes < 0 or len(beginning) > MAX_PASS_CHARACTERS:
            return True
        budget = WorkBudget(LOOKUP_BUDGET)
        extracted = extract_code_blocks(sanitize.sanitize_text(beginning), budget)
        return line != extracted.text.rpartition("\n")[2]


def _is_in_span(before: str) -> bool:
    """Whether inline code that began before is still open."""
    opening = ""
    for run in BACKTICKS.findall(before[-MAX_SPAN_CHARACTERS:]):
        opening = run if not opening else "" if run == opening else opening
    return bool(opening)
