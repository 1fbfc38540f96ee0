"""Fenced code blocks: extracted before Markdown is parsed, so that no other rule applies."""

import re
from dataclasses import dataclass, field
from typing import Final

from worker.render import sanitize
from worker.render.languages import find_language, is_known_tag, split_info_string
from worker.render.model import CodeBlock, Piece, Prose, Span, Style

PLACEHOLDER: Final = re.compile("\ufdd0(\\d+)\ufdd1")
"""Marks the position of an extracted piece; sanitized text never contains these characters."""

CONTAINER_MARKER: Final = r"[ \t]*+(?:[-+*]|\d{1,9}[.)])(?=[ \t])|[ \t]*+>"
CONTAINER_PREFIX: Final = re.compile(rf"(?:{CONTAINER_MARKER})*+[ \t]*+")
OPENING_FENCE: Final = re.compile(r"(?P<mark>`{3,}+(?=[^`]*\Z)|~{3,}+)[ \t]*(?P<info>.*?)[ \t]*\Z")
QUOTE_MARK: Final = re.compile(r"[ \t]*>")
MAX_CLOSING_INDENT_COLUMNS: Final = 3
"""Indent of a closing fence relative to its block, as in CommonMark."""
MAX_PREFIX_COLUMNS: Final = 80
"""Columns before the first word; a line nested deeper in lists and quotes is shown as written."""


def extract_code_blocks(text: str) -> tuple[str, tuple[Piece, ...]]:
    """
    Return the text with a placeholder for each code block, and the pieces for the placeholders.

    Unlike in CommonMark, a fence may have any indent, and its code need not be indented like the
    list around it: models often write both. Every line up to the closing fence is code.
    """
    scanner = _FenceScanner()
    for line in text.split("\n"):
        scanner.scan_line(line)
    return scanner.finish_scan()


@dataclass(slots=True)
class _Fence:
    """An open code block: the prefix before its lines, its opening fence, and its lines so far."""

    prefix: str
    marker: str
    info: str
    lines: list[str] = field(default_factory=list)
    nesting: int = 0

    def strip_quotes(self, line: str) -> str | None:
        """Return the line without its quote marks; `None` outside the quote."""
        for _ in range(self.prefix.count(">")):
            quote = QUOTE_MARK.match(line)
            if quote is None:
                return None
            line = line[quote.end() :].removeprefix(" ")
        return line

    @property
    def margin(self) -> str:
        """The white space that the surrounding list puts before each line of the block."""
        quote, _, margin = self.prefix.rpartition(">")
        return re.sub(r"[^ \t]", " ", margin.removeprefix(" ") if quote else margin)

    def is_closed_by(self, body: str) -> bool:
        """Whether the line closes the block; a Markdown block may contain named blocks."""
        stripped = body.strip()
        if _count_indent(body) > len(self.margin.expandtabs(4)) + MAX_CLOSING_INDENT_COLUMNS:
            return False
        if set(stripped) == {self.marker[0]} and len(stripped) >= len(self.marker):
            self.nesting -= 1
            return self.nesting < 0
        if self.info in {"markdown", "md"}:
            opening = OPENING_FENCE.match(stripped)
            self.nesting += bool(opening and opening["info"] and stripped.startswith(self.marker))
        return False

    def to_pieces(self, *, unclosed: bool) -> list[Piece]:
        """Return the block, below any caption that followed its language."""
        tag, rest = split_info_string(self.info)
        caption = rest if is_known_tag(tag) else self.info
        lines = _remove_margin(self.lines, self.margin)
        code = CodeBlock(
            sanitize.reveal_in_code("\n".join(lines)), find_language(tag), unclosed=unclosed
        )
        return [_literal_prose(caption), code] if caption else [code]


class _FenceScanner:
    """Separates code from the rest of the text, line by line."""

    def __init__(self) -> None:
        self._remaining_lines: list[str] = []
        self._pieces: list[Piece] = []
        self._fence: _Fence | None = None

    def scan_line(self, line: str) -> None:
        """Add the next line to the open code block or to the rest."""
        if self._fence is not None:
            body = self._fence.strip_quotes(line)
            if body is not None:
                self._add_code_line(self._fence, body)
                return
            self._close_fence(self._fence, unclosed=True)
        prefix = _match_prefix(line)
        opening = OPENING_FENCE.match(line, len(prefix))
        if opening:
            self._fence = _Fence(prefix, opening["mark"], opening["info"])
        elif len(prefix.expandtabs(4)) > MAX_PREFIX_COLUMNS:
            self._hold_piece("", _literal_prose(line))
        else:
            self._remaining_lines.append(line)

    def finish_scan(self) -> tuple[str, tuple[Piece, ...]]:
        """Close an open block and return the remaining text and the extracted pieces."""
        if self._fence is not None:
            if self._fence.lines and not self._fence.lines[-1]:
                self._fence.lines.pop()
            self._close_fence(self._fence, unclosed=True)
        return "\n".join(self._remaining_lines), tuple(self._pieces)

    def _add_code_line(self, fence: _Fence, body: str) -> None:
        if fence.is_closed_by(body):
            self._close_fence(fence, unclosed=False)
        else:
            fence.lines.append(body)

    def _close_fence(self, fence: _Fence, *, unclosed: bool) -> None:
        self._fence = None
        for piece in fence.to_pieces(unclosed=unclosed):
            self._hold_piece(fence.prefix, piece)

    def _hold_piece(self, prefix: str, piece: Piece) -> None:
        # Between empty lines the placeholder is always a separate paragraph.
        self._remaining_lines += ["", f"{prefix}\ufdd0{len(self._pieces)}\ufdd1", ""]
        self._pieces.append(piece)


def _match_prefix(line: str) -> str:
    match = CONTAINER_PREFIX.match(line)
    return match.group() if match else ""


def _literal_prose(text: str) -> Prose:
    return Prose((Span(sanitize.reveal_in_code(text), Style.CODE),))


def _count_indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _remove_margin(lines: list[str], margin: str) -> list[str]:
    """Remove the margin from every line, or the part of it that all lines share."""
    nonblank = [line for line in lines if line.strip()]
    if all(line.startswith(margin) for line in nonblank):
        return [
            line.removeprefix(margin) if line.strip() else line[len(margin) :] for line in lines
        ]
    spaces = min(len(line) - len(line.lstrip(" ")) for line in nonblank)
    return [line[min(spaces, len(margin.expandtabs(4))) :] for line in lines]
