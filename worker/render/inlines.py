"""Inline Markdown: parses one paragraph into styled spans; anything that is no markup is text."""

import re
from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import groupby
from operator import or_
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from worker.render import links, sanitize
from worker.render.model import Span, Style

MAX_INLINE_NESTING: Final = 8
"""Deeper brackets stay text; the parser's time grows with this."""

MARKUP_CHARACTERS: Final = re.compile(r"[*_~`\\\[\]!<\n]")
"""A text without any of these characters contains no Markdown."""


class MarkdownGrammar(MarkdownIt):
    """
    CommonMark with strikethrough and tables, but literal where Markdown would hide text.

    No HTML; no entities (a reply about `&lt;` means exactly that); no reference definitions (they
    disappear from the page); no underlined headings (a model's `---` is a rule). Addresses stay as
    written, even unsafe ones: `links` decides which of them may be opened.
    """

    def __init__(self, nesting: int) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": nesting})
        self.enable(["table", "strikethrough"])
        self.disable(["entity", "reference", "lheading", "html_block", "html_inline"])
        # The library's own set stops at each sign that some extension may need.
        self.inline.terminator_re = MARKUP_CHARACTERS

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Accept every scheme: `links` shows each address and never links an unsafe one."""
        return bool(url)

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the library's name
        """Keep the address as the model wrote it."""
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 - the library's name
        """Keep the address as the model wrote it."""
        return link


_GRAMMAR: Final = MarkdownGrammar(MAX_INLINE_NESTING)

INTRAWORD_MARK: Final = re.compile(r"[A-Za-z0-9)\]][A-Za-z0-9(]")
"""The characters around a mark that opens in the middle of a word."""

_STYLE_BY_TOKEN: Final = {"strong": Style.BOLD, "em": Style.ITALIC, "s": Style.STRIKE}


def parse_spans(
    content: str, known_addresses: frozenset[str], style: Style = Style.PLAIN
) -> tuple[Span, ...]:
    """Parse a paragraph's Markdown. Only `known_addresses` may become links."""
    tokens: list[Token] = []
    _GRAMMAR.inline.parse(content, _GRAMMAR, {}, tokens)
    reader = _InlineReader(known_addresses, style)
    for index, token in enumerate(tokens):
        reader.read_token(token, tokens[index + 1 : index + 3])
    return tuple(_join_spans(reader.spans, known_addresses))


def extract_words(content: str, known_addresses: frozenset[str]) -> str:
    """Parse a paragraph's Markdown and return its text without styles."""
    if not MARKUP_CHARACTERS.search(content):
        return sanitize.reveal_in_prose(content)
    return "".join(span.text for span in parse_spans(content, known_addresses))


class _InlineReader:
    """Reads the tokens of one paragraph, with the open styles and links."""

    def __init__(self, known_addresses: frozenset[str], style: Style) -> None:
        self.spans: list[Span] = []
        self._known_addresses = known_addresses
        self._open_styles = [style]
        self._open_links: list[tuple[int, Token]] = []

    @property
    def _style(self) -> Style:
        return reduce(or_, self._open_styles)

    def read_token(self, token: Token, ahead: list[Token]) -> None:
        """Add the spans of one token; the two after it distinguish `__init__` from a bold word."""
        name, _, side = token.type.rpartition("_")
        if name in _STYLE_BY_TOKEN:
            style = Style.PLAIN if self._is_code_mark(token, ahead) else _STYLE_BY_TOKEN[name]
            self._toggle_style(token.markup, style if side == "open" else None)
        elif token.type == "link_open":
            self._open_links.append((len(self.spans), token))
        elif token.type == "link_close":
            self._add_link(*self._open_links.pop())
        elif token.type == "image":
            self._add_text(token.content)
            self._add_link(len(self.spans) - bool(token.content), token)
        elif token.type == "code_inline":
            self._add_span(Span(sanitize.reveal_in_code(token.content), self._style | Style.CODE))
        else:
            self._add_text("\n" if token.type.endswith("break") else token.content)

    def _is_code_mark(self, token: Token, ahead: list[Token]) -> bool:
        """Whether a mark belongs to unquoted code: `__init__`, `2**n**2`, `a*b*c`."""
        word = ahead[0].content if ahead else ""
        if token.markup == "__":
            kinds = [after.type for after in ahead]
            return kinds == ["text", "strong_close"] and word.isidentifier()
        last = self.spans[-1].text[-1] if self.spans else " "
        return INTRAWORD_MARK.fullmatch(last + word[:1]) is not None

    def _toggle_style(self, mark: str, style: Style | None) -> None:
        """Open a style, or close the last one (`None`). A plain style shows its mark as text."""
        if style is None:
            style = self._open_styles.pop()
        else:
            self._open_styles.append(style)
        if style is Style.PLAIN:
            self._add_text(mark)

    def _add_text(self, text: str) -> None:
        self._add_span(Span(sanitize.reveal_in_prose(text), self._style))

    def _add_span(self, span: Span) -> None:
        if span.text:
            self.spans.append(span)

    def _add_link(self, start: int, target: Token) -> None:
        """Show a link's label, then its full address, then its title."""
        url = str(target.attrs.get("href") or target.attrs.get("src") or "")
        title = str(target.attrs.get("title") or "")
        label = "".join(span.text for span in self.spans[start:])
        if label and label in {url, url.removeprefix("mailto:")}:
            self.spans[start:] = [links.render_address(label, self._style, self._known_addresses)]
            return
        self._add_text(" (" if label else "(")
        if url:
            self._add_span(links.render_address(url, self._style, self._known_addresses))
        self._add_text(f' "{title}")' if title else ")")


def _join_spans(spans: Iterable[Span], known_addresses: frozenset[str]) -> Iterator[Span]:
    """Join neighbours with the same style, and separate the addresses in their text."""
    for look, group in groupby(spans, key=lambda span: (span.style, span.link, span.invented)):
        style, link, invented = look
        if link or invented:
            yield from group
        elif Style.CODE in style:
            yield Span("".join(span.text for span in group), style)
        else:
            yield from links.mark_links(
                Span("".join(span.text for span in group), style), known_addresses
            )
