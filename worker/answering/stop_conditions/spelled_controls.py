"""
Spelled controls: finds where a model writes a control token of its chat format as plain text.

Ids end a reply without a word. A spelled token ends it only outside code, because code may be about
chat formats.
"""

import re
from collections.abc import Sequence

from worker.render.code_lookup import CodeLookup


class SpelledControlFinder:
    """Reads a growing reply, each character once."""

    def __init__(self, stop_strings: Sequence[str], code_lookup: CodeLookup) -> None:
        """Look for the first of `stop_strings`."""
        self._pattern = re.compile("|".join(map(re.escape, stop_strings)) or "(?!)")
        beginnings = "|".join(map(_beginning_pattern, stop_strings)) or "(?!)"
        self._uncertain_end = re.compile(rf"(?:{beginnings})\Z")
        self._max_held = max(map(len, stop_strings), default=1) - 1
        self._code_lookup = code_lookup
        self._searched = 0

    def find_control(self, text: str) -> int | None:
        """Return the start of a token outside code in a longer version of the text before."""
        for found in self._pattern.finditer(text, self._searched):
            self._searched = found.end()
            if not self._code_lookup.is_code(text, found.start(), found.end()):
                return found.start()
        self._searched = max(self._searched, len(text) - self._max_held)
        self._code_lookup.read_lines(text, self._searched)
        return None

    def count_uncertain(self, text: str) -> int:
        """Return how many characters at the end may be the beginning of a stop string."""
        end = self._uncertain_end.search(text, max(0, len(text) - self._max_held))
        return len(text) - end.start() if end else 0


def _beginning_pattern(stop_string: str) -> str:
    """Return a pattern for each beginning of a stop string that is shorter than the string."""
    pattern = "(?!)"
    for character in reversed(stop_string[:-1]):
        pattern = f"{re.escape(character)}(?:{pattern})?"
    return pattern
