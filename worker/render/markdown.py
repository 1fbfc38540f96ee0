"""Markdown parser: turns the model's text into pieces without losing any of its words."""

from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it.rules_block import StateBlock, table
from markdown_it.token import Token

from worker.render import sanitize, tables
from worker.render.fences import PLACEHOLDER, extract_code_blocks
from worker.render.inlines import MarkdownGrammar, extract_words, parse_spans
from worker.render.model import CodeBlock, Piece, Prose, ProseKind, Span, Style
from worker.render.work_limits import WorkBudget

MAX_BLOCK_NESTING: Final = 100
"""Levels of lists and quotes; `fences.MAX_PREFIX_COLUMNS` keeps every text below it."""

THEMATIC_BREAK: Final = "─" * 12
"""Text of a thematic break."""


def parse_pieces(text: str, known_addresses: frozenset[str], budget: WorkBudget) -> list[Piece]:
    """Parse sanitized text until the budget ends. Only `known_addresses` may become links."""
    extracted = extract_code_blocks(text, budget)
    reader = _BlockReader(extracted.pieces, known_addresses)
    for token in _GRAMMAR.parse(extracted.text):
        reader.read_token(token)
    return reader.pieces


def _read_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """
    Read a table as one token with its lines.

    The library's own rule drops the cells beyond the header's, and adds up to 65,000 empty ones.
    """
    if not table(state, start, end, True):  # noqa: FBT003 - a rule's third argument is `silent`
        return False
    if silent:
        return True
    terminators = state.md.block.ruler.getRules("blockquote")
    line = start + 2
    while (
        line < end
        and state.sCount[line] >= state.blkIndent
        and not state.isEmpty(line)
        and not state.is_code_block(line)
        and not any(rule(state, line, end, True) for rule in terminators)  # noqa: FBT003
    ):
        line += 1
    lines = state.getLines(start, line, state.blkIndent, keepLastLF=False).split("\n")
    state.push("table", "", 0).meta["lines"] = lines
    state.line = line
    return True


def _create_grammar() -> MarkdownGrammar:
    grammar = MarkdownGrammar(MAX_BLOCK_NESTING)
    grammar.disable(["fence", "inline"])
    grammar.block.ruler.at("table", _read_table, {"alt": ["paragraph", "reference"]})
    return grammar


_GRAMMAR: Final = _create_grammar()


class _OpenList:
    """An open list: its next number, and whether its current item has no text yet."""

    def __init__(self, number: int | None) -> None:
        self.next_number = number
        self.starts_at_zero = number == 0
        """Slack numbers from 1 at least: such a list shows bullets with the numbers as text."""
        self.awaits_text = False


class _BlockReader:
    """Reads the block tokens, with the open lists and quotes."""

    def __init__(self, code_pieces: Sequence[Piece], known_addresses: frozenset[str]) -> None:
        self.pieces: list[Piece] = []
        self._code_pieces = code_pieces
        self._known_addresses = known_addresses
        self._open_lists: list[_OpenList] = []
        self._quote_depth = 0
        self._in_heading = False

    def read_token(self, token: Token) -> None:
        """Add the pieces of one token."""
        name, _, side = token.type.rpartition("_")
        if token.type == "inline":
            self._add_inline(token.content)
        elif token.type == "code_block":
            self.pieces += self._split_indented_lines(token.content)
        elif token.type == "table":
            self.pieces.append(tables.draw_table(token.meta["lines"], self._extract_words))
        elif token.type == "hr":
            self._add_prose((Span(THEMATIC_BREAK),))
        elif side == "open":
            self._open_block(name, token)
        else:
            self._close_block(name)

    def _open_block(self, name: str, token: Token) -> None:
        if name in {"bullet_list", "ordered_list"}:
            start = int(token.attrs.get("start", 1))
            self._open_lists.append(_OpenList(start if name == "ordered_list" else None))
        elif name == "list_item":
            self._open_lists[-1].awaits_text = True
        self._quote_depth += name == "blockquote"
        self._in_heading = name == "heading"

    def _close_block(self, name: str) -> None:
        if name in {"bullet_list", "ordered_list"}:
            self._open_lists.pop()
        elif name == "list_item" and self._open_lists[-1].next_number is not None:
            self._open_lists[-1].next_number += 1
        self._quote_depth -= name == "blockquote"

    def _add_inline(self, content: str) -> None:
        placeholder = PLACEHOLDER.fullmatch(content)
        if placeholder:
            self.pieces.append(self._code_pieces[int(placeholder[1])])
            return
        style = Style.BOLD if self._in_heading else Style.PLAIN
        self._add_prose(parse_spans(content, self._known_addresses, style))

    def _add_prose(self, spans: tuple[Span, ...]) -> None:
        if not spans:
            return
        depth = len(self._open_lists) - 1
        if self._open_lists and self._open_lists[-1].awaits_text:
            open_list = self._open_lists[-1]
            open_list.awaits_text = False
            number = open_list.next_number
            if open_list.starts_at_zero:
                spans, number = (Span(f"{number}. "), *spans), None
            self.pieces.append(Prose(spans, ProseKind.ITEM, depth, number))
        else:
            kind = ProseKind.QUOTE if self._quote_depth else ProseKind.SECTION
            self.pieces.append(Prose(spans, kind, tight=self._in_heading))

    def _extract_words(self, cell: str) -> str:
        return extract_words(cell, self._known_addresses)

    def _split_indented_lines(self, content: str) -> Iterator[Piece]:
        """Yield indented code; it may contain placeholders of indented fences."""
        lines: list[str] = []
        for line in [*content.removesuffix("\n").split("\n"), "\ufdd0"]:
            placeholder = PLACEHOLDER.fullmatch(line.strip())
            if (placeholder or line == "\ufdd0") and any(lines):
                yield CodeBlock(sanitize.reveal_in_code("\n".join(lines).strip("\n")))
            if placeholder:
                lines = []
                yield self._code_pieces[int(placeholder[1])]
            else:
                lines.append(line)
