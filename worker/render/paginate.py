"""Pagination: distributes pieces over messages, splitting between lines but never inside one."""

import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from worker.render.model import (
    ELEMENT_WEIGHT,
    CodeBlock,
    Piece,
    Prose,
    ProseKind,
    utf16_length,
)

MIN_SPLIT_WEIGHT: Final = 400
"""A piece is not split to fill less room than this."""
ZERO_WIDTH_JOINER: Final = "\u200d"
MAX_COMBINED_CHARACTERS: Final = 64
"""Characters that are searched for one which is not drawn together with the next."""
MAX_CHARACTER_UNITS: Final = 2
"""Maximum weight of one character: Slack counts UTF-16 units."""


def paginate_pieces(
    pieces: Iterable[Piece], max_weight: int, *, keep_whole: bool, max_messages: int = sys.maxsize
) -> list[list[Piece]]:
    """
    Distribute the pieces in order over messages of at most `max_weight`.

    With `keep_whole`, a piece that fits one message is never split. Code is split inside a line
    only if that line alone is longer than a message. After `max_messages`, one more message is
    begun, and the rest is left out.
    """
    messages: list[list[Piece]] = []
    remaining = 0
    for piece in pieces:
        for part in _split_piece(piece, remaining, max_weight, keep_whole=keep_whole):
            weight = part.weight
            if weight > remaining:
                messages.append([])
                remaining = max_weight
            messages[-1].append(part)
            remaining -= weight
            if len(messages) > max_messages:
                return messages
    return messages


def _split_piece(
    piece: Piece, remaining: int, max_weight: int, *, keep_whole: bool
) -> Iterator[Piece]:
    is_nearly_full = remaining < min(MIN_SPLIT_WEIGHT, max_weight)
    weight = piece.weight
    if weight <= remaining or (weight <= max_weight and (keep_whole or is_nearly_full)):
        yield piece
        return
    space = max_weight if is_nearly_full else remaining
    while piece.weight > space:
        head, piece = (
            _split_code(piece, space)
            if isinstance(piece, CodeBlock)
            else _split_prose(piece, space)
        )
        yield head
        space = max_weight
    yield piece


def _split_code(code: CodeBlock, max_weight: int) -> tuple[CodeBlock, CodeBlock]:
    """Split between two lines, after an empty one if there is one near the end."""
    lines = code.text.split("\n")
    remaining = max_weight - 2 * ELEMENT_WEIGHT
    fitting_lines = 0
    while utf16_length(lines[fitting_lines]) <= remaining:
        remaining -= utf16_length(lines[fitting_lines]) + 1
        fitting_lines += 1
    if not fitting_lines:
        end = _find_cut(code.text, remaining)
        return _divide_code(code, code.text[:end], code.text[end:])
    empty_lines = [n for n in range(fitting_lines * 3 // 4, fitting_lines) if not lines[n].strip()]
    end = empty_lines[-1] + 1 if empty_lines else fitting_lines
    return _divide_code(code, "\n".join(lines[:end]), "\n".join(lines[end:]))


def _divide_code(code: CodeBlock, head: str, rest: str) -> tuple[CodeBlock, CodeBlock]:
    return replace(code, text=head, unclosed=False, verdict=None, hints=()), replace(
        code, text=rest
    )


def _split_prose(prose: Prose, max_weight: int) -> tuple[Prose, Prose]:
    """Split after a line or a word; the rest of a list item continues without a bullet."""
    rest = list(prose.spans)
    remaining = max_weight - ELEMENT_WEIGHT
    fitting = 0
    while (weight := rest[fitting].weight) <= remaining:
        remaining -= weight
        fitting += 1
    head, rest = rest[:fitting], rest[fitting:]
    if not head or (remaining >= ELEMENT_WEIGHT + MAX_CHARACTER_UNITS and not rest[0].link):
        end = _find_cut(rest[0].text, remaining - ELEMENT_WEIGHT)
        head.append(replace(rest[0], text=rest[0].text[:end]))
        rest[0] = replace(rest[0], text=rest[0].text[end:])
    kind = ProseKind.SECTION if prose.kind is ProseKind.ITEM else prose.kind
    return replace(prose, spans=tuple(head)), Prose(tuple(rest), kind, tight=prose.tight)


def _find_cut(text: str, max_units: int) -> int:
    """Return where to split so that the beginning fits: after a line, word, or character."""
    units = text[: max(0, max_units)].encode("utf-16-le")
    end = max(1, len(units[: 2 * max_units].decode("utf-16-le", "ignore")))
    for separator in "\n ":
        position = text.rfind(separator, end // 2, end)
        if position > 0:
            return position + 1
    lowest = max(1, end - MAX_COMBINED_CHARACTERS)
    boundary = end
    while boundary > lowest and _is_combining(text[boundary - 1], text[boundary]):
        boundary -= 1
    return boundary if boundary > lowest else end


def _is_combining(previous: str, character: str) -> bool:
    """Whether a character is drawn together with the one before it."""
    return ZERO_WIDTH_JOINER in {previous, character} or unicodedata.category(character) in {
        "Mn",
        "Me",
        "Mc",
        "Sk",
        "Cf",
    }
