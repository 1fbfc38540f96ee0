"""Phrase lists: find answers with boilerplate, such as refusals and self-descriptions. Pure."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

BOILERPLATE_FILE: Final = Path(__file__).with_name("boilerplate.txt")
APOSTROPHES: Final = str.maketrans("\u2018\u2019\u02bc", "'''")


def parse_phrases(text: str) -> tuple[str, ...]:
    """Return the phrases of a list: one a line, without blank lines and comments (`#`)."""
    lines = (_normalize_text(line) for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


class PhraseFinder:
    """Finds phrases in texts of any case, white space and apostrophes."""

    def __init__(self, phrases: Sequence[str]) -> None:
        """Search for these, which `parse_phrases` returned."""
        longest_first = sorted(phrases, key=len, reverse=True)
        alternatives = "|".join(map(re.escape, longest_first)) or "(?!)"
        self._pattern = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")

    def find_phrase(self, texts: Iterable[str]) -> str | None:
        """Return the first phrase in any of the texts."""
        found = (self._pattern.search(_normalize_text(text)) for text in texts)
        return next((match.group() for match in found if match), None)


def _normalize_text(text: str) -> str:
    return " ".join(text.translate(APOSTROPHES).casefold().split())
