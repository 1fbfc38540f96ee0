"""Tables: a Markdown table drawn as text in aligned columns, with every cell complete."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Final

from worker.render import sanitize
from worker.render.model import CodeBlock

CELL_SEPARATOR: Final = re.compile(r"(?<!\\)\|")
MAX_CELLS: Final = 2_000
"""A larger table is not drawn: one long row would widen every other one."""
MAX_COLUMN_WIDTH: Final = 60
"""Wider cells are not padded, so that one long cell does not stretch every row."""


def draw_table(lines: Sequence[str], render_cell: Callable[[str], str]) -> CodeBlock:
    """
    Return the table as lines of aligned columns.

    `lines` are the Markdown lines: header, delimiters, rows. A row may have more cells than the
    header; all are shown. `render_cell` parses the Markdown of one cell. A table of more than
    `MAX_CELLS` is returned as it was written.
    """
    delimiters = _split_cells(lines[1])
    source = [_split_cells(line) for line in (lines[0], *lines[2:])]
    if len(source) * max(map(len, source)) > MAX_CELLS:
        return CodeBlock(sanitize.reveal_in_code("\n".join(lines)), is_table=True)
    rows = [[render_cell(cell) for cell in cells] for cells in source]
    widths = [_measure_column(column) for column in zip_longest(*rows, fillvalue="")]
    right_aligned = [cell.endswith(":") and not cell.startswith(":") for cell in delimiters]
    header, *body = (_draw_row(row, widths, right_aligned) for row in rows)
    rule = "─┼─".join("─" * width for width in widths)
    return CodeBlock("\n".join([header, rule, *body]), is_table=True)


def _split_cells(line: str) -> list[str]:
    cells = CELL_SEPARATOR.split(line.strip())
    first = 1 if len(cells) > 1 and not cells[0].strip() else 0
    last = -1 if len(cells) > 1 and not cells[-1].strip() else None
    return [cell.replace("\\|", "|").strip() for cell in cells[first:last]]


def _measure_column(cells: Sequence[str]) -> int:
    return max(1, *(min(MAX_COLUMN_WIDTH, measure_width(cell)) for cell in cells))


def _draw_row(cells: Sequence[str], widths: Sequence[int], right_aligned: Sequence[bool]) -> str:
    padded = []
    for index, width in enumerate(widths):
        cell = cells[index] if index < len(cells) else ""
        space = " " * (width - measure_width(cell))
        to_the_right = index < len(right_aligned) and right_aligned[index]
        padded.append(space + cell if to_the_right else cell + space)
    return " │ ".join(padded).rstrip()


def measure_width(text: str) -> int:
    """Return the columns that a text uses in a fixed-width font."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
