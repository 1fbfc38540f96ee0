"""Inline mrkdwn as rich text elements: styles, code, links, mentions, dates and emoji."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from fakeslack.block_kit.emoji import CHARACTERS
from fakeslack.errors import Json

STYLE_NAMES = {"*": "bold", "_": "italic", "~": "strike"}
TOKEN_PATTERN = re.compile(
    r"<(?P<reference>[^<>\n]+)>"
    r"|(?<!\w)(?P<url>https?://[^\s<>|`]+)"
    r"|(?<![\w:]):(?P<emoji>[a-z0-9_+'-]++)(?:::skin-tone-(?P<tone>[2-6]))?:(?![\w:])"
)
"""What Slack finds in a line with `mrkdwn` off."""
MARKUP_PATTERN = re.compile(
    rf"`(?P<code>[^`\n]+)`|{TOKEN_PATTERN.pattern}"
    r"|(?P<mark>(?<!\*)\*(?!\*)|(?<!_)_(?!_)|(?<!~)~(?!~))"
)
REFERENCE_PATTERN = re.compile(r"<(?P<reference>[^<>\n]+)>")
URL_END = ".,;:!?)]}'\"*_~"
"""Characters that end a sentence or a style, and no URL."""
URL_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S.*")
ID = "[A-Z0-9]{1,19}"
MENTION_TARGET = re.compile(
    rf"@(?P<user>[UWB]{ID})|#(?P<channel>[CDG]{ID})|!subteam\^(?P<group>S{ID})"
    r"|!(?P<range>here|channel|everyone)"
)
DATE_TARGET = re.compile(r"!date\^(?P<time>[0-9]{1,12})\^(?P<format>[^^]{1,200})(?:\^(?P<url>.+))?")
MAX_URL_CHARACTERS = 3_000
MAX_FALLBACK_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class StyleMark:
    """A `*`, `_` or `~` that may begin or end a style."""

    sign: str
    can_open: bool
    can_close: bool


Piece = str | Json | StyleMark
"""Literal text, a finished element, or a mark that becomes a style or literal text."""
StyledPiece = tuple[str | Json, tuple[str, ...]]
"""Text or an element, with the names of the styles around it."""


def parse_inlines(text: str, *, mrkdwn: bool = True, link_urls: bool = True) -> list[Json]:
    """
    Return the elements of text without quotes and code blocks, in linear time.

    Styles and code do not cross the end of a line. `link_urls` also links URLs without brackets.
    """
    pattern = MARKUP_PATTERN if mrkdwn else TOKEN_PATTERN
    styled: list[StyledPiece] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            styled.append(("\n", ()))
        styled += _apply_marks(list(_split_line(line, pattern, link_urls=link_urls)))
    return list(_merge_texts(styled))


def parse_code(text: str) -> list[Json]:
    """Return code as elements without a style; Slack keeps links and mentions in it."""
    pieces: list[StyledPiece] = []
    end = 0
    for found in REFERENCE_PATTERN.finditer(text):
        element = _parse_reference(found["reference"])
        if element is not None:
            pieces += [(unescape_text(text[end : found.start()]), ()), (element, ())]
            end = found.end()
    return list(_merge_texts([*pieces, (unescape_text(text[end:]), ())]))


def unescape_text(text: str) -> str:
    """Return text with Slack's three escapes decoded."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def trim_url(url: str) -> str:
    """Return a URL without the characters behind it that end a sentence or a style."""
    return url.rstrip(URL_END)


def _split_line(line: str, pattern: re.Pattern[str], *, link_urls: bool) -> Iterator[Piece]:
    end = position = 0
    while found := pattern.search(line, position):
        url = trim_url(found["url"] or "")
        position = found.start() + len(url) if url else found.end()
        pieces = _read_pieces(line, found, url if link_urls else "")
        if pieces:
            if end < found.start():
                yield unescape_text(line[end : found.start()])
            yield from pieces
            end = position
    yield unescape_text(line[end:])


def _read_pieces(line: str, found: re.Match[str], url: str) -> Sequence[Piece]:
    """Return the pieces of a token; none if Slack shows it as it is."""
    element: Json | None
    match found.lastgroup:
        case "code":
            return [_add_styles(element, ("code",)) for element in parse_code(found["code"])]
        case "mark":
            return [_read_mark(line, found)]
        case "reference":
            element = _parse_reference(found["reference"])
        case "url":
            element = _build_link(url, "") if url.partition("://")[2] else None
        case _:
            element = _parse_emoji(found["emoji"], found["tone"])
    return [] if element is None else [element]


def _read_mark(line: str, found: re.Match[str]) -> StyleMark:
    start, end = found.span()
    before, after = line[max(start - 1, 0) : start], line[end : end + 1]
    return StyleMark(
        found["mark"],
        can_open=not before.isalnum() and bool(after.strip()),
        can_close=bool(before.strip()) and not after.isalnum(),
    )


def _apply_marks(pieces: Sequence[Piece]) -> Iterator[StyledPiece]:
    """Yield the pieces with their styles; marks without a partner are text."""
    partners = _pair_marks(pieces)
    styles: tuple[str, ...] = ()
    for index, piece in enumerate(pieces):
        if not isinstance(piece, StyleMark):
            yield piece, styles
        elif index not in partners:
            yield piece.sign, styles
        else:
            name = STYLE_NAMES[piece.sign]
            styles = tuple(s for s in styles if s != name) if name in styles else (*styles, name)


def _pair_marks(pieces: Sequence[Piece]) -> set[int]:
    """Return the positions of the marks that begin or end a style."""
    partners: set[int] = set()
    open_marks: dict[str, int] = {}
    for index, piece in enumerate(pieces):
        if not isinstance(piece, StyleMark):
            continue
        start = open_marks.get(piece.sign)
        if start is not None and piece.can_close:
            partners |= {start, index}
            open_marks = {sign: at for sign, at in open_marks.items() if at < start}
        elif start is None and piece.can_open:
            open_marks[piece.sign] = index
    return partners


def _merge_texts(pieces: Iterable[StyledPiece]) -> Iterator[Json]:
    """Yield elements; neighbouring texts of the same style are one."""
    for (is_text, styles), group in groupby(
        pieces, lambda pair: (isinstance(pair[0], str), pair[1])
    ):
        contents = [content for content, _ in group]
        if is_text:
            text = "".join(map(str, contents))
            contents = [{"type": "text", "text": text}] if text else []
        yield from (_add_styles(each, styles) for each in contents if isinstance(each, dict))


def _add_styles(element: Json, styles: Iterable[str]) -> Json:
    style = {**element.get("style", {}), **dict.fromkeys(styles, True)}
    return {**element, "style": style} if style else element


def _parse_reference(inside: str) -> Json | None:
    """Return the element of what is in angle brackets; None if Slack shows it as it is."""
    target, _, label = inside.partition("|")
    label = unescape_text(label)
    if mention := MENTION_TARGET.fullmatch(target):
        return _build_mention(mention)
    if date := DATE_TARGET.fullmatch(target):
        return _build_date(date, label)
    return _build_link(target, label) if URL_TARGET.fullmatch(target) else None


def _build_mention(found: re.Match[str]) -> Json:
    if found["user"]:
        return {"type": "user", "user_id": found["user"]}
    if found["channel"]:
        return {"type": "channel", "channel_id": found["channel"]}
    if found["group"]:
        return {"type": "usergroup", "usergroup_id": found["group"]}
    return {"type": "broadcast", "range": found["range"]}


def _build_date(found: re.Match[str], fallback: str) -> Json:
    element = {"type": "date", "timestamp": int(found["time"]), "format": found["format"]}
    url = unescape_text(found["url"] or "")
    optional = {"url": url[:MAX_URL_CHARACTERS], "fallback": fallback[:MAX_FALLBACK_CHARACTERS]}
    return element | {name: value for name, value in optional.items() if value}


def _build_link(target: str, label: str) -> Json | None:
    url = unescape_text(target)
    if len(url) > MAX_URL_CHARACTERS:
        return None
    return {"type": "link", "url": url, **({"text": label} if label else {})}


def _parse_emoji(name: str, tone: str | None) -> Json | None:
    character = CHARACTERS.get(name)
    if character is None:
        return None
    element: Json = {"type": "emoji", "name": name}
    if tone is not None:
        element["skin_tone"] = int(tone)
        # The first of the five modifiers of Unicode is Slack's tone 2.
        character = character[0] + chr(0x1F3FB + int(tone) - 2)
    return element | {"unicode": "-".join(f"{ord(sign):x}" for sign in character)}
