"""Reads the model's Markdown into pieces, losing none of its words."""

from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it.rules_block import StateBlock, table
from markdown_it.token import Token

from worker.render import sanitize, tables
from worker.render.fences import PLACE, held
from worker.render.inlines import Grammar, spans, words
from worker.render.pieces import Code, Piece, Prose, Shape, Span, Style

NESTING: Final = 200
"""Levels of lists and quotes; `fences.DEEPEST` keeps every text below it."""

RULE: Final = "─" * 12
"""What a thematic break looks like."""


def pieces(text: str, known: frozenset[str]) -> list[Piece]:
    """Read cleaned text. `known` are the addresses that may be links."""
    left, taken = held(text)
    reader = _Reader(taken, known)
    for token in _GRAMMAR.parse(left):
        reader.read(token)
    return reader.found


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001
    """Keep a table's own lines beside its tokens, which drop the cells beyond the header's."""
    before = len(state.tokens)
    if not table(state, start, end, silent):
        return False
    if not silent:
        lines = state.getLines(start, state.line, state.blkIndent, keepLastLF=False).split("\n")
        state.tokens[before].meta["lines"] = lines
    return True


def _grammar() -> Grammar:
    grammar = Grammar(NESTING)
    grammar.disable(["fence", "inline"])
    grammar.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    return grammar


_GRAMMAR: Final = _grammar()


class _List:
    """A list that is open: its next number, and whether its item still waits for its words."""

    def __init__(self, number: int | None) -> None:
        self.number = number
        self.waiting = False


class _Reader:
    """Walks the block tokens, with the lists and quotes that are open."""

    def __init__(self, taken: Sequence[Piece], known: frozenset[str]) -> None:
        self.found: list[Piece] = []
        self._taken = taken
        self._known = known
        self._lists: list[_List] = []
        self._quotes = 0
        self._heading = False
        self._tables = 0

    def read(self, token: Token) -> None:
        """Add what one token shows."""
        name, _, side = token.type.rpartition("_")
        if token.type == "inline":
            self._inline(token.content)
        elif token.type == "code_block":
            self.found += self._indented(token.content)
        elif token.type == "hr":
            self._add((Span(RULE),))
        elif side == "open":
            self._open(name, token)
        else:
            self._close(name)

    def _open(self, name: str, token: Token) -> None:
        if name in {"bullet_list", "ordered_list"}:
            start = int(token.attrs.get("start", 1))
            self._lists.append(_List(start if name == "ordered_list" else None))
        elif name == "list_item":
            self._lists[-1].waiting = True
        elif name == "table":
            drawn = tables.drawn(token.meta["lines"], lambda cell: words(cell, self._known))
            self.found.append(Code(drawn, drawn=True))
        self._quotes += name == "blockquote"
        self._tables += name == "table"
        self._heading = name == "heading"

    def _close(self, name: str) -> None:
        if name in {"bullet_list", "ordered_list"}:
            self._lists.pop()
        elif name == "list_item" and self._lists[-1].number is not None:
            self._lists[-1].number += 1
        self._quotes -= name == "blockquote"
        self._tables -= name == "table"

    def _inline(self, content: str) -> None:
        if self._tables:
            return
        place = PLACE.fullmatch(content)
        if place:
            self.found.append(self._taken[int(place[1])])
            return
        style = Style.BOLD if self._heading else Style.PLAIN
        self._add(spans(content, self._known, style))

    def _add(self, found: tuple[Span, ...]) -> None:
        if not found:
            return
        depth = len(self._lists) - 1
        if self._lists and self._lists[-1].waiting:
            self._lists[-1].waiting = False
            self.found.append(Prose(found, Shape.ITEM, depth, self._lists[-1].number))
        else:
            shape = Shape.QUOTE if self._quotes else Shape.SECTION
            self.found.append(Prose(found, shape, close=self._heading))

    def _indented(self, content: str) -> Iterator[Piece]:
        """Code by indentation alone; a place of a deeply indented fence may stand in it."""
        lines: list[str] = []
        for line in [*content.removesuffix("\n").split("\n"), "\ufdd0"]:
            place = PLACE.fullmatch(line.strip())
            if (place or line == "\ufdd0") and any(lines):
                yield Code(sanitize.code("\n".join(lines).strip("\n")))
            if place:
                lines = []
                yield self._taken[int(place[1])]
            else:
                lines.append(line)
