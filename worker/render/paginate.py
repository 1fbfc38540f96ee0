"""Deals pieces out to messages: between pieces, between lines of code, never inside a line."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from worker.render.model import ELEMENT, size
from worker.render.pieces import Code, Piece, Prose, Shape, Span

SMALLEST: Final = 400
"""Less room than this is not worth the beginning of a piece."""
JOINER: Final = "\u200d"
WIDEST: Final = 2
"""What a single character weighs at most: Slack counts in UTF-16."""


def packed(pieces: Iterable[Piece], room: int, *, whole: bool) -> list[list[Piece]]:
    """
    Deal the pieces out in order to messages of weight `room` at most.

    With `whole`, a piece that fits a message of its own is never split. Code is cut inside a line
    only where that line alone is longer than a message.
    """
    messages: list[list[Piece]] = []
    left = 0
    for piece in pieces:
        for part in _parts(piece, left, room, whole=whole):
            if part.weight > left:
                messages.append([])
                left = room
            messages[-1].append(part)
            left -= part.weight
    return messages


def _parts(piece: Piece, left: int, room: int, *, whole: bool) -> Iterator[Piece]:
    small = left < min(SMALLEST, room)
    if piece.weight <= left or (piece.weight <= room and (whole or small)):
        yield piece
        return
    space = room if small else left
    while piece.weight > space:
        head, piece = _code(piece, space) if isinstance(piece, Code) else _prose(piece, space)
        yield head
        space = room
    yield piece


def _code(code: Code, room: int) -> tuple[Code, Code]:
    """Cut between two lines, after an empty one where there is one near the end."""
    lines = code.text.split("\n")
    left = room - 2 * ELEMENT
    fitting = 0
    while size(lines[fitting]) <= left:
        left -= size(lines[fitting]) + 1
        fitting += 1
    if not fitting:
        end = _cut(code.text, left)
        return _cut_code(code, code.text[:end], code.text[end:])
    empty = [n for n in range(fitting * 3 // 4, fitting) if not lines[n].strip()]
    end = empty[-1] + 1 if empty else fitting
    return _cut_code(code, "\n".join(lines[:end]), "\n".join(lines[end:]))


def _cut_code(code: Code, head: str, rest: str) -> tuple[Code, Code]:
    return replace(code, text=head, open=False, verdict=""), replace(code, text=rest)


def _prose(prose: Prose, room: int) -> tuple[Prose, Prose]:
    """Cut after a line or a word; the rest of an item goes on without a mark of its own."""
    head: list[Span] = []
    rest = list(prose.spans)
    left = room - ELEMENT
    while rest[0].weight <= left:
        left -= rest[0].weight
        head.append(rest.pop(0))
    if not head or (left >= ELEMENT + WIDEST and not rest[0].link):
        end = _cut(rest[0].text, left - ELEMENT)
        head.append(replace(rest[0], text=rest[0].text[:end]))
        rest[0] = replace(rest[0], text=rest[0].text[end:])
    shape = Shape.SECTION if prose.shape is Shape.ITEM else prose.shape
    return replace(prose, spans=tuple(head)), Prose(tuple(rest), shape, close=prose.close)


def _cut(text: str, room: int) -> int:
    """Return where to cut so that the beginning fits: after a line, a word, or a whole sign."""
    end = max(1, len(text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore")))
    for separator in "\n ":
        place = text.rfind(separator, end // 2, end)
        if place > 0:
            return place + 1
    whole = end
    while whole > 1 and _belongs(text[whole - 1], text[whole]):
        whole -= 1
    return whole if whole > 1 else end


def _belongs(before: str, sign: str) -> bool:
    """Whether a sign is drawn together with the one before it."""
    return JOINER in {before, sign} or unicodedata.category(sign) in {"Mn", "Me", "Mc", "Sk", "Cf"}
