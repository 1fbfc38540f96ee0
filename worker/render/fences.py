"""Takes code blocks out of the text before its Markdown is read, so that no rule can touch them."""

import re
from dataclasses import dataclass, field
from typing import Final

from worker.render import sanitize
from worker.render.languages import known, language, tagged
from worker.render.pieces import Code, Piece, Prose, Span, Style

PLACE: Final = re.compile("\ufdd0(\\d+)\ufdd1")
"""Stands in the text where a piece was taken out; cleaned text never holds these signs."""

MARKER: Final = r"[ \t]*+(?:[-+*]|\d{1,9}[.)])(?=[ \t])|[ \t]*+>"
FRONT: Final = re.compile(rf"(?:{MARKER})*+[ \t]*+")
OPENING: Final = re.compile(r"(?P<mark>`{3,}+(?=[^`]*\Z)|~{3,}+)[ \t]*(?P<info>.*?)[ \t]*\Z")
QUOTE: Final = re.compile(r"[ \t]*>")
INDENT: Final = 3
"""Columns by which a closing fence may stand further in than its block, as in CommonMark."""
DEEPEST: Final = 80
"""Columns before the first word; a line deeper in lists and quotes is shown as it is written."""


def held(text: str) -> tuple[str, tuple[Piece, ...]]:
    """
    Return the text with a place where each code block was, and the pieces for the places.

    Unlike CommonMark a fence may be indented by any width, and its code need not be indented like
    the list around it: models often write both, and every line up to the closing fence is code.
    """
    scan = _Scan()
    for line in text.split("\n"):
        scan.read(line)
    return scan.end()


@dataclass(slots=True)
class _Fence:
    """An open code block: what stands before its lines, how it was opened, and its lines so far."""

    front: str
    mark: str
    info: str
    lines: list[str] = field(default_factory=list)
    inner: int = 0

    def body(self, line: str) -> str | None:
        """Return the line without the quote marks before it; `None` outside the quote."""
        for _ in range(self.front.count(">")):
            quote = QUOTE.match(line)
            if quote is None:
                return None
            line = line[quote.end() :].removeprefix(" ")
        return line

    @property
    def margin(self) -> str:
        """The white space that the list around the block puts before each of its lines."""
        quote, _, margin = self.front.rpartition(">")
        return re.sub(r"[^ \t]", " ", margin.removeprefix(" ") if quote else margin)

    def closes(self, body: str) -> bool:
        """Whether the line ends the block; Markdown may hold blocks that name their language."""
        mark = body.strip()
        if _indent(body) > len(self.margin.expandtabs(4)) + INDENT:
            return False
        if set(mark) == {self.mark[0]} and len(mark) >= len(self.mark):
            self.inner -= 1
            return self.inner < 0
        if self.info in {"markdown", "md"}:
            opening = OPENING.match(mark)
            self.inner += bool(opening and opening["info"] and mark.startswith(self.mark))
        return False

    def pieces(self, *, open_: bool) -> list[Piece]:
        """Return the block, below what was said of it beside its language."""
        tag, rest = tagged(self.info)
        caption = rest if known(tag) else self.info
        lines = _unindented(self.lines, self.margin)
        code = Code(sanitize.code("\n".join(lines)), language(tag), open=open_)
        return [_literal(caption), code] if caption else [code]


class _Scan:
    """Reads line by line what is code and what is left."""

    def __init__(self) -> None:
        self._left: list[str] = []
        self._pieces: list[Piece] = []
        self._fence: _Fence | None = None

    def read(self, line: str) -> None:
        """Put the line where it belongs."""
        if self._fence is not None:
            body = self._fence.body(line)
            if body is not None:
                self._code(self._fence, body)
                return
            self._close(self._fence, open_=True)
        front = _front(line)
        opening = OPENING.match(line, len(front))
        if opening:
            self._fence = _Fence(front, opening["mark"], opening["info"])
        elif len(front.expandtabs(4)) > DEEPEST:
            self._hold("", _literal(line))
        else:
            self._left.append(line)

    def end(self) -> tuple[str, tuple[Piece, ...]]:
        """Close what is open and return what is left and what was taken out."""
        if self._fence is not None:
            if self._fence.lines and not self._fence.lines[-1]:
                self._fence.lines.pop()
            self._close(self._fence, open_=True)
        return "\n".join(self._left), tuple(self._pieces)

    def _code(self, fence: _Fence, body: str) -> None:
        if fence.closes(body):
            self._close(fence, open_=False)
        else:
            fence.lines.append(body)

    def _close(self, fence: _Fence, *, open_: bool) -> None:
        self._fence = None
        for piece in fence.pieces(open_=open_):
            self._hold(fence.front, piece)

    def _hold(self, front: str, piece: Piece) -> None:
        # Between empty lines the place is a paragraph of its own, whatever stands around it.
        self._left += ["", f"{front}\ufdd0{len(self._pieces)}\ufdd1", ""]
        self._pieces.append(piece)


def _front(line: str) -> str:
    found = FRONT.match(line)
    return found.group() if found else ""


def _literal(text: str) -> Prose:
    return Prose((Span(sanitize.code(text), Style.CODE),))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _unindented(lines: list[str], margin: str) -> list[str]:
    """Take the margin off every line, or only what all lines have of it."""
    full = [line for line in lines if line.strip()]
    if all(line.startswith(margin) for line in full):
        return [
            line.removeprefix(margin) if line.strip() else line[len(margin) :] for line in lines
        ]
    spaces = min(len(line) - len(line.lstrip(" ")) for line in full)
    return [line[min(spaces, len(margin.expandtabs(4))) :] for line in lines]
