"""Puts a reply together: pieces into messages, with what is to be said about them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from worker.render import code_checks, links, markdown, rich_text, sanitize, texts
from worker.render.fallback import plain
from worker.render.languages import PLAIN
from worker.render.model import LONG, MESSAGES, ROOM, TEXT, Facts, Message, Part, Snippet, size
from worker.render.paginate import packed
from worker.render.pieces import Code, Piece, Prose

UNFINISHED: Final = re.compile(
    r"""
    (?:\A|(?<=\n)) [ \t>]*+
    (?: (?:[-+*]|\d{1,9}[.)]) (?:[ \t]++(?:```|~~~)[^\n]*)?     # an item without its words
      | [>#*`~]{1,6} | \d{1,9}                                  # a mark that may become longer
      | (?:```|~~~)[^\n]*                                      # a fence's own line
      | \|[^\n]* (?:\n[ \t>]*+ (?:\|[-:|\ \t]*)? )?           # a table's header or last row
    )? [ \t]* \Z
    """,
    re.VERBOSE,
)
"""A last line of which nobody can say yet what it will be: shown now, it would flicker."""

ENOUGH: Final = 2 * ROOM
"""A growing reply is read no further: more never fits its one message."""


@dataclass(slots=True)
class _Page:
    """One message of a reply, with the files that follow it and the long code in them."""

    pieces: list[Piece]
    files: list[Snippet] = field(default_factory=list)
    long: list[Piece] = field(default_factory=list)


def growing(text: str) -> Message:
    """Return the reply while it grows: the beginning that fits one message, and a sign of life."""
    page, whole = _beginning(UNFINISHED.sub("", text[:ENOUGH]))
    whole = whole and len(text) <= ENOUGH
    return _message(page, [texts.WRITING if whole else texts.beyond(len(text))])


def stopped(text: str, sentence: str = texts.STOPPED) -> Message:
    """Return what was written before something stopped the reply, labelled with why."""
    page, _ = _beginning(text[:ENOUGH])
    return _message(page, [sentence])


def final(text: str, *, facts: Facts) -> tuple[Part, ...]:
    """
    Return the finished reply in posting order; the first part takes the placeholder's place.

    Every line of code arrives whole: code longer than a message is a file of its own, and a reply
    of more than `MESSAGES` messages ends with a file that holds all of it.
    """
    source = sanitize.clean(text)
    found = [_judged(piece) for piece in _pieces(source, links.addresses(facts.known))]
    pages = _pages(found, whole=True)
    if len(pages) > MESSAGES:
        pages = _pages(found, whole=False)
    last = [*_notices(source, found, facts), _disclaimer(found, facts)]
    if len(pages) > MESSAGES:
        pages = pages[: MESSAGES - 1]
        pages[-1].files.append(_whole(source))
        last = [texts.WHOLE, *last]
    return tuple(
        part for place, page in enumerate(pages, 1) for part in _parts(page, place, pages, last)
    )


def _pieces(source: str, known: frozenset[str]) -> list[Piece]:
    """Read cleaned text; what shows nothing is left out, for Slack refuses empty text."""
    return [piece for piece in markdown.pieces(source, known) if piece.text.strip()]


def _beginning(text: str) -> tuple[list[Piece], bool]:
    """Return what fits one message, and whether that is all."""
    pages = packed(_pieces(sanitize.clean(text), frozenset()), ROOM, whole=False)
    return (pages[0] if pages else []), len(pages) <= 1


def _judged(piece: Piece) -> Piece:
    if isinstance(piece, Prose) or piece.drawn:
        return piece
    return replace(piece, verdict=code_checks.verdict(piece))


def _pages(found: Sequence[Piece], *, whole: bool) -> list[_Page]:
    """Deal the pieces out; long code becomes a file behind the words before it."""
    pages: list[_Page] = []
    for long, run in groupby(found, _is_long):
        if not long:
            pages += [_Page(pieces) for pieces in packed(run, ROOM, whole=whole)]
            continue
        pages = pages or [_Page([])]
        for code in run:
            pages[-1].files.append(_file(code, sum(len(page.files) for page in pages) + 1))
            pages[-1].long.append(code)
    return pages or [_Page([])]


def _is_long(piece: Piece) -> bool:
    return isinstance(piece, Code) and size(piece.text) > LONG


def _file(piece: Piece, number: int) -> Snippet:
    language = piece.language if isinstance(piece, Code) else PLAIN
    name = f"reply-{number}.{language.ending}"
    return Snippet(name, language.snippet, piece.text + "\n", name)


def _whole(source: str) -> Snippet:
    content = sanitize.code(source).rstrip("\n") + "\n"
    return Snippet("reply.md", "markdown", content, "The whole reply")


def _notices(source: str, found: Sequence[Piece], facts: Facts) -> list[str]:
    spans = [span for piece in found if isinstance(piece, Prose) for span in piece.spans]
    made_visible = sum(piece.text.count("⟨U+") for piece in found) > source.count("⟨U+")
    return [
        "" if found else texts.EMPTY,
        texts.ending(facts),
        texts.dropped(facts.dropped),
        texts.INVENTED if any(span.invented for span in spans) else "",
        texts.HIDDEN if made_visible else "",
    ]


def _disclaimer(found: Sequence[Piece], facts: Facts) -> str:
    return texts.disclaimer(facts, code=any(isinstance(piece, Code) for piece in found))


def _parts(page: _Page, place: int, pages: Sequence[_Page], last: Sequence[str]) -> list[Part]:
    sentences = [
        code_checks.line([*page.pieces, *page.long]),
        texts.files([file.filename for file in page.files]),
        f"Part {place} of {len(pages)}" if len(pages) > 1 else "",
        *(last if place == len(pages) else []),
    ]
    return [_message(page.pieces, sentences), *page.files]


def _message(found: Sequence[Piece], sentences: Sequence[str]) -> Message:
    said = [sentence for sentence in sentences if sentence]
    words = "\n".join(piece.text[:TEXT] for piece in found[:TEXT]) or " ".join(said)
    context = [block for sentence in said for block in texts.context(sentence)]
    return Message(plain(words), rich_text.blocks(found) + context)
