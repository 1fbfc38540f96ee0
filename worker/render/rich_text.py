"""Turns pieces into Slack's `rich_text`: every word literal, nothing that could ping or format."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Final

from worker.render.model import Json
from worker.render.pieces import Code, Piece, Prose, Shape, Span, Style

DEEPEST: Final = 8
"""Slack indents lists no further."""

_NAMES: Final = {
    Style.BOLD: "bold",
    Style.ITALIC: "italic",
    Style.STRIKE: "strike",
    Style.CODE: "code",
}


def blocks(pieces: Sequence[Piece]) -> list[Json]:
    """Return one `rich_text` block with the pieces, or none where there is nothing to show."""
    elements: list[Json] = []
    for _, run in groupby(enumerate(pieces), key=_Runs(pieces)):
        elements.append(_element([piece for _, piece in run]))
    return [{"type": "rich_text", "elements": elements}] if elements else []


class _Runs:
    """Numbers the runs of pieces that share one element: paragraphs, lines of a quote, a list."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._run = 0

    def __call__(self, placed: tuple[int, Piece]) -> int:
        place, piece = placed
        if place and not _follows(self._pieces[place - 1], piece):
            self._run += 1
        return self._run


def _follows(before: Piece, piece: Piece) -> bool:
    if isinstance(before, Code) or isinstance(piece, Code) or before.shape is not piece.shape:
        return False
    if piece.shape is not Shape.ITEM:
        return True
    if before.number is None or piece.number is None:
        return before.depth == piece.depth and before.number is piece.number
    return before.depth == piece.depth and before.number + 1 == piece.number


def _element(run: Sequence[Piece]) -> Json:
    first = run[0]
    if isinstance(first, Code):
        return _preformatted(first)
    prose = [piece for piece in run if isinstance(piece, Prose)]
    if first.shape is Shape.ITEM:
        return _list(first, prose)
    return {"type": f"rich_text_{first.shape}", "elements": _texts(_paragraphs(prose))}


def _preformatted(code: Code) -> Json:
    element: Json = {
        "type": "rich_text_preformatted",
        "elements": [{"type": "text", "text": code.text}],
    }
    if code.language.name:
        element["language"] = code.language.name
    return element


def _list(first: Prose, items: Iterable[Prose]) -> Json:
    element: Json = {
        "type": "rich_text_list",
        "style": "bullet" if first.number is None else "ordered",
        "indent": min(first.depth, DEEPEST),
        "elements": [
            {"type": "rich_text_section", "elements": _texts(item.spans)} for item in items
        ],
    }
    if first.number is not None and first.number > 1:
        element["offset"] = first.number - 1
    return element


def _paragraphs(run: Sequence[Prose]) -> list[Span]:
    spans = [*run[0].spans]
    for before, piece in pairwise(run):
        spans += [Span("\n" if before.close else "\n\n"), *piece.spans]
    return spans


def _texts(spans: Iterable[Span]) -> list[Json]:
    """Join neighbours of one look: an empty line between paragraphs needs no element of its own."""
    texts: list[Json] = []
    for look, group in groupby(spans, key=lambda span: (span.style, span.link)):
        texts += _text("".join(span.text for span in group), *look)
    return texts


def _text(text: str, style: Style, link: bool) -> list[Json]:  # noqa: FBT001
    element: Json = {"type": "text", "text": text}
    if link:
        element = {"type": "link", "url": text, "text": text}
    if style:
        element["style"] = {_NAMES[part]: True for part in style}
    return [element]
