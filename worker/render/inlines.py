"""Inline Markdown: parses one paragraph into styled spans; anything that is no markup is text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce
from itertools import groupby
from operator import or_
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token

from contract.masking import is_mask
from worker.render import links, sanitize
from worker.render.model import Span, Style

MAX_INLINE_NESTING: Final = 8
"""Deeper brackets stay text; the parser's time grows with this."""

MARKUP_CHARACTERS: Final = re.compile(r"[*_~`\\\[\]!<\n]")
"""A text without any of these characters contains no Markdown."""


class MarkdownGrammar(MarkdownIt):
    """
    CommonMark with strikethrough and tables, but literal where Markdown would hide text.

    No HTML; entities only where they mean their signs; no reference definitions (they
    disappear from the page); no underlined headings (a model's `---` is a rule). Addresses stay as
    written, even unsafe ones: `links` decides which of them may be opened.
    """

    def __init__(self, nesting: int) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": nesting})
        self.enable(["table", "strikethrough"])
        self.disable(["entity", "reference", "lheading", "html_block", "html_inline"])
        # The library's own set stops at each sign that some extension may need.
        self.inline.terminator_re = MARKUP_CHARACTERS
        self.inline.ruler.at("newline", _read_line_end)

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Accept every scheme: `links` shows each address and never links an unsafe one."""
        return bool(url)

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the library's name
        """Keep the address as the model wrote it."""
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 - the library's name
        """Keep the address as the model wrote it."""
        return link


class _InlineState(StateInline):
    """Parser state in which text without spaces, as in Chinese, may have styles at any sign."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: FBT001, N802, N803
        """Let a mark beside an East Asian character open and close, as in cmark's extension."""
        scanned = super().scanDelims(start, canSplitWord)
        before = self.src[start - 1 : start] or " "
        after = self.src[start + scanned.length : start + scanned.length + 1] or " "
        if self.src[start] == "_" or not EAST_ASIAN.search(before + after):
            return scanned
        return Scanned(
            scanned.can_open or not after.isspace(),
            scanned.can_close or not before.isspace(),
            scanned.length,
        )


EAST_ASIAN: Final = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\ufe30-\uffdc]"
)
WORD: Final = re.compile(r"\S++")
PATH_BACKSLASH: Final = re.compile(r"\\[A-Za-z0-9]")
"""A backslash that is no Markdown: its word is a path, a pattern or a formula."""
PLAIN_BACKSLASH: Final = re.compile(r"\\(?!\Z|[*_`~\[\]<>#|!\\\n])")
"""A backslash before a character that needs none; Markdown would drop it."""
BACKSLASH_SIGN: Final = "\ufdd2"
"""Replaces a literal backslash while Markdown is parsed; sanitized text never contains it."""
ENTITY_TOPIC: Final = re.compile(
    r"\bentit(?:y|ies)\b|\bescap(?:e|ed|es|ing)\b|&amp;(?:\w|#)", re.IGNORECASE
)
"""Words of a text about entities."""


def _protect_backslashes(content: str) -> str:
    """Keep the backslashes of paths, patterns and formulas, which Markdown would drop."""
    if "\\" not in content:
        return content
    return WORD.sub(_protect_word, content)


def _protect_word(word: re.Match[str]) -> str:
    if PATH_BACKSLASH.search(word[0]):
        return word[0].replace("\\", BACKSLASH_SIGN)
    return PLAIN_BACKSLASH.sub(BACKSLASH_SIGN, word[0]) if len(word[0]) > 1 else word[0]


def _means_entities(content: str) -> bool:
    """
    Whether `&lt;` means these four characters, and not the sign that it names.

    It does in a text about entities, and in one that contains both spellings of a sign.
    """
    if "&" not in content or ENTITY_TOPIC.search(content):
        return True
    without_entities = ENTITY.sub("", content)
    return any(sign in without_entities for sign, name in _SIGN_ENTITIES.items() if name in content)


ENTITY: Final = re.compile(r"&#?\w{1,31};")
_SIGN_ENTITIES: Final = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def _read_line_end(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the library's signature
    """Read a line end, and keep the white space of the next line: it may be code."""
    if state.src[state.pos] != "\n":
        return False
    if not silent:
        state.pending = state.pending.rstrip(" ")
        state.push("softbreak", "br", 0)
    state.pos += 1
    return True


_GRAMMAR: Final = MarkdownGrammar(MAX_INLINE_NESTING)
_ENTITY_GRAMMAR: Final = MarkdownGrammar(MAX_INLINE_NESTING)
_ENTITY_GRAMMAR.enable("entity")
_ENTITY_GRAMMAR.inline.terminator_re = re.compile(f"{MARKUP_CHARACTERS.pattern}|&")

INTRAWORD_MARK: Final = re.compile(r"[A-Za-z0-9)\]][A-Za-z0-9(]")
"""The characters around a mark that opens in the middle of a word."""

_STYLE_BY_TOKEN: Final = {"strong": Style.BOLD, "em": Style.ITALIC, "s": Style.STRIKE}


def parse_spans(
    content: str, known_addresses: frozenset[str], style: Style = Style.PLAIN
) -> tuple[Span, ...]:
    """Parse a paragraph's Markdown. Only `known_addresses` may become links."""
    if not MARKUP_CHARACTERS.search(content) and "&" not in content:
        span = Span(sanitize.reveal_in_prose(content), style)
        return tuple(links.mark_links(span, known_addresses))
    content = _protect_backslashes(content)
    tokens: list[Token] = []
    grammar = _GRAMMAR if _means_entities(content) else _ENTITY_GRAMMAR
    state = _InlineState(content, grammar, {}, tokens)
    grammar.inline.tokenize(state)
    for rule in grammar.inline.ruler2.getRules(""):
        rule(state)
    reader = _InlineReader(known_addresses, style)
    for index, token in enumerate(tokens):
        reader.read_token(token, tokens[index + 1 : index + 3])
    return tuple(_join_spans(reader.spans, known_addresses))


def extract_words(content: str, known_addresses: frozenset[str]) -> str:
    """Parse a paragraph's Markdown and return its text without styles."""
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
        if BACKSLASH_SIGN in span.text:
            span = replace(span, text=span.text.replace(BACKSLASH_SIGN, "\\"))
        if span.text:
            self.spans.append(span)

    def _add_link(self, start: int, target: Token) -> None:
        """Show a link's label, then its full address, then its title."""
        url = str(target.attrs.get("href") or target.attrs.get("src") or "")
        url = url.replace(BACKSLASH_SIGN, "\\")
        title = str(target.attrs.get("title") or "")
        label = "".join(span.text for span in self.spans[start:])
        if label and label in {url, url.removeprefix("mailto:")}:
            span = links.render_address(label, self._style, self._known_addresses)
            # In Markdown, a mask has the form of an address.
            masked = f"<{label}>"
            self.spans[start:] = [Span(masked, self._style) if is_mask(masked) else span]
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
