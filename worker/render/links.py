"""Finds addresses in prose: one from the conversation may be a link, any other is shown inert."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from worker.render import sanitize
from worker.render.pieces import Span, Style

LONGEST: Final = 2_000
"""A longer address is never a link."""

ADDRESS: Final = re.compile(
    r"""
    (?<![a-z0-9+.-])
    (?: [a-z][a-z0-9+.-]{1,20}://                       # any scheme with a host
      | (?:about|blob|data|file|javascript|mailto|slack|tel|vbscript):(?=\S)
      | www\.(?=[^\s.])
      | (?<![\w@/\\]) (?:[a-z0-9][a-z0-9-]{0,62}\.){1,10}      # a bare host with a common ending
        (?: (?:ai|app|biz|cloud|co|com|dev|edu|example|gov|info|io|me|net|online|org|page|site
            |store|tech|top|xyz|xn--[a-z0-9-]+) (?![\w-]) )
    )
    [^\s<>"`]*
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
CLOSING: Final = {")": "(", "]": "[", "}": "{"}
PUNCTUATION: Final = ".,;:!?'*_~|\\"


def addresses(texts: Iterable[str]) -> frozenset[str]:
    """Return every address that stands in the texts, as `known` expects them."""
    return frozenset(_bare(found) for text in texts for _, found in _found(text))


def address(url: str, style: Style, known: frozenset[str]) -> Span:
    """Return the span that shows an address in full: a link if it is known, else inert code."""
    if linkable(url, known):
        return Span(url, style, link=True)
    return Span(sanitize.code(url), style | Style.CODE, invented=True)


def linkable(url: str, known: frozenset[str]) -> bool:
    """Whether an address may be a link: it stood in the conversation exactly so."""
    web = url.lower().startswith(("https://", "http://"))
    seen = sanitize.code(url) == url and _bare(url) in known
    return web and seen and len(url) <= LONGEST


def marked(span: Span, known: frozenset[str]) -> Iterator[Span]:
    """Split a span so that each address in it stands alone, as `address` shows it."""
    end = 0
    for start, url in _found(span.text):
        if start > end:
            yield Span(span.text[end:start], span.style)
        yield address(url, span.style, known)
        end = start + len(url)
    if end < len(span.text):
        yield Span(span.text[end:], span.style)


def _found(text: str) -> Iterator[tuple[int, str]]:
    for found in ADDRESS.finditer(text):
        yield found.start(), _trimmed(found.group())


def _trimmed(url: str) -> str:
    """Leave the punctuation of the sentence outside, and a bracket that opened before."""
    signs = Counter(url)
    end = len(url)
    while url[end - 1] in PUNCTUATION or _unpaired(url[end - 1], signs):
        signs[url[end - 1]] -= 1
        end -= 1
    return url[:end]


def _unpaired(sign: str, signs: Counter[str]) -> bool:
    return sign in CLOSING and signs[sign] > signs[CLOSING[sign]]


def _bare(url: str) -> str:
    return url.rstrip("/")
