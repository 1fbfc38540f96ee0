"""Addresses in prose: one from the conversation becomes a link, any other is shown as code."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from worker.render import sanitize
from worker.render.model import Span, Style

MAX_LINK_CHARACTERS: Final = 2_000
"""A longer address is never a link."""

ADDRESS_PATTERN: Final = re.compile(
    r"""
    (?<![a-z0-9+.-])
    (?: [a-z][a-z0-9+.-]{1,20}://                       # any scheme with a host
      | (?:javascript|vbscript|mailto):(?=\S) | (?:about|blob|slack):(?=[a-z])
      | data:(?=[a-z]{1,20}/) | file:(?=/) | tel:(?=[+\d])
      | www\.(?=[^\s.])
      | (?<![\w@/\\]) (?:[a-z0-9][a-z0-9-]{0,62}\.){1,10}      # a bare host with a common ending
        (?: (?:com|edu|example|gov|org|xn--[a-z0-9-]{1,59}) (?![\w(-])
          | (?:ai|app|biz|cloud|co|dev|info|io|me|net|online|page|site|store|tech|top|xyz)
            (?=/[\w%~?#]|:\d|\?\w) )                           # also names in code: needs a path
    )
    [^\s<>"`]*
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
LOCAL_ADDRESS: Final = re.compile(
    r"\w{2,12}://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?:[:/?#]|\Z)", re.IGNORECASE
)
"""The reader's own machine: no notice, because no other party can own this address."""
BRACKET_PAIRS: Final = {")": "(", "]": "[", "}": "{"}
SENTENCE_PUNCTUATION: Final = ".,;:!?'*_~|\\"


def collect_addresses(texts: Iterable[str]) -> frozenset[str]:
    """Return every address in the texts, normalized for `is_linkable`."""
    return frozenset(_normalize_address(url) for text in texts for _, url in _find_addresses(text))


def render_address(url: str, style: Style, known_addresses: frozenset[str]) -> Span:
    """Return a span with the full address: a link if it is known, else inert code."""
    if is_linkable(url, known_addresses):
        return Span(url, style, link=True)
    is_local = LOCAL_ADDRESS.match(url) is not None
    return Span(sanitize.reveal_in_code(url), style | Style.CODE, invented=not is_local)


def is_linkable(url: str, known_addresses: frozenset[str]) -> bool:
    """Whether an address may be a link: the conversation contains exactly this address."""
    is_web = url.lower().startswith(("https://", "http://"))
    is_known = sanitize.reveal_in_code(url) == url and _normalize_address(url) in known_addresses
    return is_web and is_known and len(url) <= MAX_LINK_CHARACTERS


def mark_links(span: Span, known_addresses: frozenset[str]) -> Iterator[Span]:
    """Split a span at its addresses, each rendered by `render_address`."""
    end = 0
    for start, url in _find_addresses(span.text):
        if start > end:
            yield Span(span.text[end:start], span.style)
        yield render_address(url, span.style, known_addresses)
        end = start + len(url)
    if end < len(span.text):
        yield Span(span.text[end:], span.style)


def _find_addresses(text: str) -> Iterator[tuple[int, str]]:
    for match in ADDRESS_PATTERN.finditer(text):
        yield match.start(), _trim_punctuation(match.group())


def _trim_punctuation(url: str) -> str:
    """Exclude the sentence's punctuation, and a bracket that opened before the address."""
    if len(url) > MAX_LINK_CHARACTERS:
        return url
    counts = Counter(url)
    end = len(url)
    while url[end - 1] in SENTENCE_PUNCTUATION or _is_unpaired(url[end - 1], counts):
        counts[url[end - 1]] -= 1
        end -= 1
    return url[:end]


def _is_unpaired(character: str, counts: Counter[str]) -> bool:
    return character in BRACKET_PAIRS and counts[character] > counts[BRACKET_PAIRS[character]]


def _normalize_address(url: str) -> str:
    return url.rstrip("/")
