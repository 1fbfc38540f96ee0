"""Draws a table of Markdown as text in columns, every cell whole."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Final

BAR: Final = re.compile(r"(?<!\\)\|")
WIDEST: Final = 60
"""Columns wider than this are not padded, so that one long cell does not stretch every row."""


def drawn(lines: Sequence[str], words: Callable[[str], str]) -> str:
    """
    Return the table as lines of aligned columns.

    `lines` are the Markdown lines: header, delimiters, rows. A row may have more cells than the
    header: all are shown. `words` reads the Markdown of one cell.
    """
    delimiters = _cells(lines[1])
    rows = [[words(cell) for cell in _cells(line)] for line in (lines[0], *lines[2:])]
    widths = [_width(column) for column in zip_longest(*rows, fillvalue="")]
    right = [cell.endswith(":") and not cell.startswith(":") for cell in delimiters]
    header, *body = (_row(row, widths, right) for row in rows)
    rule = "─┼─".join("─" * width for width in widths)
    return "\n".join([header, rule, *body])


def _cells(line: str) -> list[str]:
    cells = BAR.split(line.strip())
    first = 1 if len(cells) > 1 and not cells[0].strip() else 0
    last = -1 if len(cells) > 1 and not cells[-1].strip() else None
    return [cell.replace("\\|", "|").strip() for cell in cells[first:last]]


def _width(cells: Sequence[str]) -> int:
    return max(1, *(min(WIDEST, columns(cell)) for cell in cells))


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for place, width in enumerate(widths):
        cell = cells[place] if place < len(cells) else ""
        space = " " * (width - columns(cell))
        to_the_right = place < len(right) and right[place]
        padded.append(space + cell if to_the_right else cell + space)
    return " │ ".join(padded).rstrip()


def columns(text: str) -> int:
    """Return how many columns the text takes in a fixed-width font."""
    return sum(_columns(sign) for sign in text)


def _columns(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
