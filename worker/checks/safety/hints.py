"""Hints about safety in a block of code, by the rules for its language."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from worker.checks.safety import python_rules, tree_rules
from worker.checks.safety.rules import RULES

MAX_HINTS: Final = 4
"""Hints about one block."""
MAX_CHARACTERS: Final = 16_000
"""Longer code is not searched: bandit would take the time in which its syntax is checked."""
PYTHON: Final = "python"


@dataclass(frozen=True, slots=True)
class SafetyHint:
    """A line that a rule is about."""

    rule: str
    line: int


def find_safety_hints(language: str, text: str) -> tuple[SafetyHint, ...]:
    """Return the first hints about a block; none about long code, or code nested too deep."""
    if len(text) > MAX_CHARACTERS:
        return ()
    try:
        places = sorted({(line, rule) for rule, line in _list_places(language, text)})
    except (MemoryError, RecursionError):
        return ()
    return tuple(SafetyHint(rule, line) for line, rule in places[:MAX_HINTS])


def _list_places(language: str, text: str) -> Iterator[tuple[str, int]]:
    if language == PYTHON:
        yield from python_rules.list_places(text)
    elif language in RULES:
        yield from tree_rules.list_places(language, text)
