"""
Repetition: finds text that a model repeats endlessly, as greedy decoding of small models does.

The bounds are measured: of 25,540 files of code, data and documentation, none reaches `ENDLESS`,
and 11 reach about `AT_LIMIT` (`bench/LOG.md`).
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LoopBounds:
    """
    Shortest repetition that counts as a loop, in characters.

    A text with a period of at most `max_period` loops if its last
    `min_characters + min_extra_periods * period` characters repeat.
    """

    max_period: int
    min_characters: int
    min_extra_periods: int = 4


ENDLESS: Final = LoopBounds(max_period=1_000, min_characters=2_000)
"""Bounds while the model generates: about 130 times three words, or 50 lines of code."""
AT_LIMIT: Final = LoopBounds(max_period=200, min_characters=400)
"""Bounds for a reply that still repeats when it reaches a limit: about 30 times three words."""
SHOWN_REPETITIONS: Final = 3
"""Repetitions that are shown."""
MAX_LIST_CHARACTERS: Final = 8_000
"""End of a text that is examined for a numbered loop: more than the longest bound."""
LIST_MARKER: Final = re.compile(r"^[ ]{0,9}([0-9]{1,6})(?=[.)][ ])", re.MULTILINE)
"""Number of a list's item."""


def find_loop(text: str, bounds: LoopBounds) -> int | None:
    """
    Return the length of `text` without its endless repetitions; `None` if it does not loop.

    The numbers of a list count as equal where each is one more than the one before.
    """
    exact = _find_exact_loop(text, bounds)
    return _find_numbered_loop(text, bounds) if exact is None else exact


def _find_numbered_loop(text: str, bounds: LoopBounds) -> int | None:
    first = max(0, len(text) - MAX_LIST_CHARACTERS)
    parts: list[str] = []
    removed: list[tuple[int, int]] = []
    """Start in the text without numbers, and length, of each removed number."""
    position, length, expected = first, 0, -1
    for marker in LIST_MARKER.finditer(text, first):
        number = int(marker[1])
        if number == expected:
            parts.append(text[position : marker.start(1)])
            length += len(parts[-1])
            removed.append((length, len(marker[1])))
            position = marker.end()
        expected = number + 1
    if not removed:
        return None
    cut = _find_exact_loop("".join([*parts, text[position:]]), bounds)
    if cut is None:
        return None
    return first + cut + sum(digits for start, digits in removed if start < cut)


def _find_exact_loop(text: str, bounds: LoopBounds) -> int | None:
    period = _find_period(text, bounds.max_period)
    length = bounds.min_characters + bounds.min_extra_periods * period
    if not period or len(text) < length:
        return None
    if text[-length:-period] != text[period - length :]:
        return None
    start = len(text) - length
    while start > 0 and text[start - 1] == text[start - 1 + period]:
        start -= 1
    return _end_of_unit(text, start, period)


def _find_period(text: str, max_period: int) -> int:
    """
    Return the shortest period of the last `2 * max_period` characters; 0 if they have none.

    `str.find` is linear, so this takes one pass over these characters.
    """
    tail = text[-max_period:]
    window = text[-2 * max_period : -1]
    found = window.find(tail)
    if len(text) < 2 * max_period or found < 0:
        return 0
    unit = text[found - len(window) - 1 + max_period :]
    return (unit + unit).find(unit, 1)


def _end_of_unit(text: str, start: int, period: int) -> int:
    """Return the end of the last line, word or unit that is shown of a loop."""
    end = start + SHOWN_REPETITIONS * period
    for separator in ("\n", " "):
        found = text.find(separator, end - 1, end + period)
        if found >= 0:
            return found + 1
    return end
