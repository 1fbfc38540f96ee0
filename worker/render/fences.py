"""Fenced code blocks: extracted before Markdown is parsed, so that no other rule applies."""

import re
from dataclasses import dataclass, field
from typing import Final

from contract.code_languages import find_language, is_known_tag, split_info_string
from worker.render import sanitize
from worker.render.code_runs import CONTAINER, find_code_runs, is_lazy_code
from worker.render.fence_outlook import (
    FenceOutlook,
    UnknownOutlook,
    find_glued_closing,
    find_glued_opening,
)
from worker.render.model import MAX_MESSAGE_WEIGHT, CodeBlock, Piece, Prose, Span, Style
from worker.render.work_limits import WorkBudget

PLACEHOLDER: Final = re.compile("\ufdd0(\\d++)\ufdd1")
"""Marks the position of an extracted piece; sanitized text never contains these characters."""

CONTAINER_MARKER: Final = r"[ \t]*+(?:[-+*]|\d{1,9}[.)])(?=[ \t])|[ \t]*+>"
CONTAINER_PREFIX: Final = re.compile(rf"(?:{CONTAINER_MARKER}){{0,99}}[ \t]*+")
OPENING_FENCE: Final = re.compile(r"(?P<mark>`{3,}+(?=[^`]*+\Z)|~{3,}+)(?P<info>.*+)\Z")
QUOTE_MARK: Final = re.compile(r"[ \t]*+> ?")
MAX_CLOSING_INDENT_COLUMNS: Final = 3
"""Indent of a closing fence relative to its block, as in CommonMark."""
MAX_PREFIX_COLUMNS: Final = 40
"""Columns before the first word; a line nested deeper in lists and quotes is shown as written."""
MAX_LITERAL: Final = MAX_MESSAGE_WEIGHT // 2
"""Characters of the line at which the work budget ends; they are shown as written."""
MAX_QUOTE_DEPTH: Final = 6
"""Quote marks before the first word: each makes the parser read all lines once more."""


@dataclass(frozen=True, slots=True)
class ExtractedText:
    """Text with a placeholder for each code block, and the pieces for the placeholders."""

    text: str
    pieces: tuple[Piece, ...]


def extract_code_blocks(text: str, budget: WorkBudget) -> ExtractedText:
    """
    Replace each code block by a placeholder, until the budget ends.

    Unlike in CommonMark, a fence may have any indent, and its code need not be indented like the
    list around it: models often write both. Every line up to the closing fence is code. A fence
    may share its line with words or code, and lines that read as code need no fence.
    """
    lines = text.split("\n")
    scanner = FenceScanner(budget, FenceOutlook(budget.select_affordable(lines)))
    for index, line in enumerate(lines):
        if not scanner.scan_line(index, line):
            break
    return scanner.finish_scan()


@dataclass(slots=True)
class _Fence:
    """An open code block: the prefix before its lines, its opening fence, and its lines so far."""

    prefix: str
    marker: str
    info: str
    lines: list[str] = field(default_factory=list)
    nesting: int = 0
    margin: str = field(init=False)
    """The white space that the surrounding list puts before each line of the block."""
    is_markdown: bool = field(init=False)
    """Whether the block may contain other blocks."""

    def __post_init__(self) -> None:
        quote, _, margin = self.prefix.rpartition(">")
        self.margin = re.sub(r"[^ \t]", " ", margin.removeprefix(" ") if quote else margin)
        self.is_markdown = self.info.lower() in {"markdown", "md"}

    def strip_quotes(self, line: str) -> str | None:
        """Return the line without its quote marks; `None` outside the quote."""
        end = 0
        for _ in range(self.prefix.count(">")):
            quote = QUOTE_MARK.match(line, end)
            if quote is None:
                return None
            end = quote.end()
        return line[end:]

    def is_closed_by(self, body: str) -> bool:
        """Whether the line closes the block; a Markdown block may contain named blocks."""
        stripped = body.strip()
        if _count_indent(body) > len(self.margin.expandtabs(4)) + MAX_CLOSING_INDENT_COLUMNS:
            return False
        if set(stripped) == {self.marker[0]} and len(stripped) >= len(self.marker):
            self.nesting -= 1
            return self.nesting < 0
        if self.is_markdown:
            opening = OPENING_FENCE.match(stripped)
            self.nesting += bool(
                opening and opening["info"].strip() and stripped.startswith(self.marker)
            )
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


class FenceScanner:
    """Separates code from the rest of the text, line by line."""

    def __init__(self, budget: WorkBudget, outlook: FenceOutlook | UnknownOutlook) -> None:
        self._budget = budget
        self._outlook = outlook
        self._remaining_lines: list[str] = []
        self._pieces: list[Piece] = []
        self._fence: _Fence | None = None

    def scan_line(self, index: int, line: str) -> bool:
        """Add the next line to the open code block or to the rest, if the budget allows it."""
        if self._fence is not None:
            body = self._fence.strip_quotes(line)
            if body is not None:
                self._add_code_line(self._fence, body, index)
                return self._budget.spend_on_code(line)
            self._close_fence(self._fence, unclosed=True)
        if not self._budget.spend_on_prose(line):
            self._hold_piece("", Prose((Span(sanitize.reveal_in_code(line[:MAX_LITERAL])),)))
            return False
        prefix = _match_prefix(line)
        is_deep = (
            len(prefix.expandtabs(4)) > MAX_PREFIX_COLUMNS or prefix.count(">") > MAX_QUOTE_DEPTH
        )
        opening = None if is_deep else OPENING_FENCE.match(line, len(prefix))
        if opening:
            self._fence = _Fence(prefix, opening["mark"], opening["info"].strip(" \t"))
        elif is_deep:
            self._hold_piece("", _literal_prose(line))
        elif not self._open_behind_words(prefix, line, index):
            self._remaining_lines.append(line)
        return True

    def _open_behind_words(self, prefix: str, line: str, index: int) -> bool:
        """Open a block whose fence has words before it; return whether the line does so."""
        glued = find_glued_opening(line) if "```" in line else None
        if glued is None:
            return False
        words, fence = glued
        opening = OPENING_FENCE.match(fence)
        info = opening["info"].strip() if opening else ""
        if opening is None or not is_known_tag(split_info_string(info)[0]):
            return False
        if not info and not self._outlook.opens_block(index):
            return False
        self._remaining_lines.append(words)
        margin = re.sub(r"[^ \t>]", " ", prefix)
        self._fence = _Fence(margin, opening["mark"], info)
        return True

    def is_in_block(self, line: str) -> bool:
        """Whether a further line would be in the open block."""
        return self._fence is not None and self._fence.strip_quotes(line) is not None

    def list_prose(self, count: int) -> list[str]:
        """Return the last lines outside of blocks."""
        return self._remaining_lines[-count:]

    def finish_scan(self) -> ExtractedText:
        """Close an open block, or drop it if the budget ended inside it."""
        if self._fence is not None and not self._budget.is_exhausted:
            if self._fence.lines and not self._fence.lines[-1]:
                self._fence.lines.pop()
            self._close_fence(self._fence, unclosed=True)
        self._extract_unfenced_code()
        return ExtractedText("\n".join(self._remaining_lines), tuple(self._pieces))

    def _add_code_line(self, fence: _Fence, body: str, index: int) -> None:
        if fence.marker[:3] not in body:
            fence.lines.append(body)
            return
        if fence.is_closed_by(body):
            self._close_fence(fence, unclosed=False)
            return
        glued = None if fence.is_markdown else find_glued_closing(body, fence.marker)
        if glued is None or self._outlook.stays_in_block(index):
            fence.lines.append(body)
            return
        if glued.code:
            fence.lines.append(glued.code)
        self._close_fence(fence, unclosed=False)
        if glued.words:
            self._remaining_lines.append(glued.words)

    def _extract_unfenced_code(self) -> None:
        """Move runs of code among the remaining lines into pieces, with their white space."""
        lines, self._remaining_lines = self._remaining_lines, []
        position, in_list = 0, False
        for start, end in [*find_code_runs(lines), (len(lines), len(lines))]:
            for index in range(position, start):
                line = lines[index]
                in_list = bool(CONTAINER.match(line)) or (in_list and line[:1] in {"", " ", "\t"})
                if is_lazy_code(lines, index, in_list=in_list):
                    self._remaining_lines.append("")
                self._remaining_lines.append(line)
            if end > start:
                code = "\n".join(lines[start:end])
                self._hold_piece("", CodeBlock(sanitize.reveal_in_code(code)))
            position = end

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
