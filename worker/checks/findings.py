"""Findings: what a parser found in one block of code, in the child's words. Imports little."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

PARSES: Final = "parses"
BROKEN: Final = "broken"
GUESSED: Final = "guessed"
"""The code has no label, and parses in the language that it looks like."""
UNCHECKED: Final = "unchecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Result of one check; the values are those of `contract.code_verdicts.CodeVerdict`.

    `code` names the language, `line` the line that does not parse (0: unknown), and `why` the
    reason, a key of `REASONS`.
    """

    kind: str
    code: str = ""
    line: int = 0
    why: str = ""


NOT_CHECKED: Final = Finding(UNCHECKED)
FINE: Final = Finding(PARSES)


def find_reason(reasons: Iterable[tuple[re.Pattern[str], str]], message: str) -> str:
    """Return our name for a parser's message; empty if none of the patterns is in it."""
    return next((name for pattern, name in reasons if pattern.search(message)), "")
