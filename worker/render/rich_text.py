"""Slack's `rich_text` blocks: all text is literal, so it cannot ping, link or format."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Final

from worker.render.model import CodeBlock, Json, Piece, Prose, ProseKind, Span, Style

MAX_LIST_INDENT: Final = 8
"""Slack's maximum indent of a list."""

_STYLE_NAMES: Final = {
    Style.BOLD: "bold",
    Style.ITALIC: "italic",
    Style.STRIKE: "strike",
    Style.CODE: "code",
}


def render_blocks(pieces: Sequence[Piece]) -> list[Json]:
    """Return one `rich_text` block with the pieces; none if there are no pieces."""
    elements: list[Json] = []
    for _, run in groupby(enumerate(pieces), key=_RunCounter(pieces)):
        elements.append(_render_run([piece for _, piece in run]))
    return [{"type": "rich_text", "elements": elements}] if elements else []


class _RunCounter:
    """Numbers runs of pieces that share one element: paragraphs, quoted lines, list items."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._run = 0

    def __call__(self, numbered: tuple[int, Piece]) -> int:
        index, piece = numbered
        if index and not _continues_run(self._pieces[index - 1], piece):
            self._run += 1
        return self._run


def _continues_run(previous: Piece, piece: Piece) -> bool:
    if (
        isinstance(previous, CodeBlock)
        or isinstance(piece, CodeBlock)
        or previous.kind is not piece.kind
    ):
        return False
    if piece.kind is not ProseKind.ITEM:
        return True
    if previous.number is None or piece.number is None:
        return previous.depth == piece.depth and previous.number is piece.number
    return previous.depth == piece.depth and previous.number + 1 == piece.number


def _render_run(run: Sequence[Piece]) -> Json:
    first = run[0]
    if isinstance(first, CodeBlock):
        return _render_code(first)
    prose = [piece for piece in run if isinstance(piece, Prose)]
    if first.kind is ProseKind.ITEM:
        return _render_list(first, prose)
    return {"type": f"rich_text_{first.kind}", "elements": _render_spans(_join_paragraphs(prose))}


def _render_code(code: CodeBlock) -> Json:
    element: Json = {
        "type": "rich_text_preformatted",
        "elements": [{"type": "text", "text": code.text}],
    }
    if code.language.name:
        element["language"] = code.language.name
    return element


def _render_list(first: Prose, items: Iterable[Prose]) -> Json:
    element: Json = {
        "type": "rich_text_list",
        "style": "bullet" if first.number is None else "ordered",
        "indent": min(first.depth, MAX_LIST_INDENT),
        "elements": [
            {"type": "rich_text_section", "elements": _render_spans(item.spans)} for item in items
        ],
    }
    if first.number is not None and first.number > 1:
        element["offset"] = first.number - 1
    return element


def _join_paragraphs(run: Sequence[Prose]) -> list[Span]:
    spans = [*run[0].spans]
    for previous, piece in pairwise(run):
        spans += [Span("\n" if previous.tight else "\n\n"), *piece.spans]
    return spans


def _render_spans(spans: Iterable[Span]) -> list[Json]:
    """Join neighbours with the same style: an empty line between paragraphs needs no element."""
    texts: list[Json] = []
    for look, group in groupby(spans, key=lambda span: (span.style, span.link)):
        texts += _render_text("".join(span.text for span in group), *look)
    return texts


def _render_text(text: str, style: Style, link: bool) -> list[Json]:  # noqa: FBT001
    element: Json = {"type": "text", "text": text}
    if link:
        element = {"type": "link", "url": text, "text": text}
    if style:
        element["style"] = {_STYLE_NAMES[part]: True for part in style}
    return [element]
