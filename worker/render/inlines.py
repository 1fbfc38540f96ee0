"""Reads the Markdown inside one paragraph into styled spans; whatever is no Markdown is text."""

import re
from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import groupby
from operator import or_
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from worker.render import links, sanitize
from worker.render.pieces import Span, Style

NESTING: Final = 16
"""Deeper brackets stay text; the parser's time grows with this."""


class Grammar(MarkdownIt):
    """
    CommonMark with strikethrough and tables, but literal wherever Markdown would hide something.

    No HTML; no entities (a reply about `&lt;` means just that); no reference definitions (they
    vanish from the page); no underlined headings (a model's `---` is a rule); addresses stay as
    written, also those a browser must not open, because whether they link is decided elsewhere.
    """

    def __init__(self, nesting: int) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": nesting})
        self.enable(["table", "strikethrough"])
        self.disable(["entity", "reference", "lheading", "html_block", "html_inline"])

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Accept every scheme: a link of ours shows its address, and none opens by its scheme."""
        return bool(url)

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the library's name
        """Keep the address as the model wrote it."""
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 - the library's name
        """Keep the address as the model wrote it."""
        return link


_GRAMMAR: Final = Grammar(NESTING)

INTRAWORD: Final = re.compile(r"[A-Za-z0-9)\]][A-Za-z0-9(]")
"""The signs around a mark that opens in the middle of a word."""

MARKUP: Final = re.compile(r"[*_~`\\\[<\n]")
"""Without one of these signs a text has no Markdown in it."""

_STYLES: Final = {"strong": Style.BOLD, "em": Style.ITALIC, "s": Style.STRIKE}


def spans(content: str, known: frozenset[str], style: Style = Style.PLAIN) -> tuple[Span, ...]:
    """Read a paragraph's Markdown. `known` are the addresses that may be links."""
    tokens: list[Token] = []
    _GRAMMAR.inline.parse(content, _GRAMMAR, {}, tokens)
    reader = _Reader(known, style)
    for place, token in enumerate(tokens):
        reader.read(token, tokens[place + 1 : place + 3])
    return tuple(_joined(reader.found, known))


def words(content: str, known: frozenset[str]) -> str:
    """Read a paragraph's Markdown and return its words alone."""
    if not MARKUP.search(content):
        return sanitize.prose(content)
    return "".join(span.text for span in spans(content, known))


class _Reader:
    """Walks the tokens of one paragraph with the styles and links that are open."""

    def __init__(self, known: frozenset[str], style: Style) -> None:
        self.found: list[Span] = []
        self._known = known
        self._styles = [style]
        self._links: list[tuple[int, Token]] = []

    @property
    def _style(self) -> Style:
        return reduce(or_, self._styles)

    def read(self, token: Token, ahead: list[Token]) -> None:
        """Add what one token shows; the two after it tell `__init__` from a bold word."""
        name, _, side = token.type.rpartition("_")
        if name in _STYLES:
            style = Style.PLAIN if self._is_code(token, ahead) else _STYLES[name]
            self._mark(token.markup, style if side == "open" else None)
        elif token.type == "link_open":
            self._links.append((len(self.found), token))
        elif token.type == "link_close":
            self._link(*self._links.pop())
        elif token.type == "image":
            self._text(token.content)
            self._link(len(self.found) - bool(token.content), token)
        elif token.type == "code_inline":
            self._add(Span(sanitize.code(token.content), self._style | Style.CODE))
        else:
            self._text("\n" if token.type.endswith("break") else token.content)

    def _is_code(self, token: Token, ahead: list[Token]) -> bool:
        """Whether a mark opens code without its quotes: `__init__`, `2**n**2`, `a*b*c`."""
        word = ahead[0].content if ahead else ""
        if token.markup == "__":
            kinds = [after.type for after in ahead]
            return kinds == ["text", "strong_close"] and word.isidentifier()
        last = self.found[-1].text[-1] if self.found else " "
        return INTRAWORD.fullmatch(last + word[:1]) is not None

    def _mark(self, mark: str, style: Style | None) -> None:
        """Open a style, or close the last one (`None`). A plain style is its own mark, shown."""
        if style is None:
            style = self._styles.pop()
        else:
            self._styles.append(style)
        if style is Style.PLAIN:
            self._text(mark)

    def _text(self, text: str) -> None:
        self._add(Span(sanitize.prose(text), self._style))

    def _add(self, span: Span) -> None:
        if span.text:
            self.found.append(span)

    def _link(self, start: int, target: Token) -> None:
        """Show a link's label, then its address in full, then its title."""
        url = str(target.attrs.get("href") or target.attrs.get("src") or "")
        title = str(target.attrs.get("title") or "")
        label = "".join(span.text for span in self.found[start:])
        if label and label in {url, url.removeprefix("mailto:")}:
            self.found[start:] = [links.address(label, self._style, self._known)]
            return
        self._text(" (" if label else "(")
        if url:
            self._add(links.address(url, self._style, self._known))
        self._text(f' "{title}")' if title else ")")


def _joined(found: Iterable[Span], known: frozenset[str]) -> Iterator[Span]:
    """Join neighbours of one style, and set the addresses in their words apart."""
    for alike, group in groupby(found, key=lambda span: (span.style, span.link, span.invented)):
        style, link, invented = alike
        if link or invented:
            yield from group
        elif Style.CODE in style:
            yield Span("".join(span.text for span in group), style)
        else:
            yield from links.marked(Span("".join(span.text for span in group), style), known)
