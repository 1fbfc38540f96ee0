"""Puts a reply together: pieces into messages, with what is to be said about them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from worker.reply import checks, cleaning, links, notices, reading, rich_text
from worker.reply.fallback import plain
from worker.reply.parts import (
    LONG,
    MESSAGES,
    ROOM,
    TEXT,
    Facts,
    Message,
    Part,
    Snippet,
    size,
)
from worker.reply.pieces import Code, Piece, Prose
from worker.reply.splitting import packed

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


@dataclass(slots=True)
class _Page:
    """One message of a reply with the files that follow it."""

    pieces: list[Piece] = field(default_factory=list)
    files: list[Snippet] = field(default_factory=list)
    judged: list[Code] = field(default_factory=list)


def growing(text: str) -> Message:
    """Return the reply while it grows: the beginning that fits one message, and a sign of life."""
    shown = cleaning.clean(text[: 2 * ROOM])
    found = reading.pieces(UNFINISHED.sub("", shown), frozenset())
    pages = packed(_shown(found), ROOM, whole=False)
    beyond = len(pages) > 1 or len(text) > 2 * ROOM
    sign = notices.beyond(len(text)) if beyond else notices.WRITING
    return _message(pages[0] if pages else [], [sign])


def stopped(text: str, sentence: str = notices.STOPPED) -> Message:
    """Return what was written before something stopped the reply, labelled with why."""
    found = reading.pieces(cleaning.clean(text[: 2 * ROOM]), frozenset())
    pages = packed(_shown(found), ROOM, whole=False)
    return _message(pages[0] if pages else [], [sentence])


def final(text: str, *, facts: Facts) -> tuple[Part, ...]:
    """
    Return the finished reply in posting order; the first part takes the placeholder's place.

    Every line of code arrives whole: code longer than a message is a file of its own, and a reply
    of more than `MESSAGES` messages ends with a file that holds all of it.
    """
    source = cleaning.clean(text)
    found = [_judged(piece) for piece in _shown(reading.pieces(source, _known(facts)))]
    pages = _pages(found, whole=True)
    if len(pages) > MESSAGES:
        pages = _pages(found, whole=False)
    cut = len(pages) > MESSAGES
    if cut:
        pages = pages[: MESSAGES - 1]
        file = Snippet("reply.md", "markdown", cleaning.code(source) + "\n", "The whole reply")
        pages[-1].files.append(file)
    last = [
        notices.WHOLE if cut else "",
        *_notices(source, found, facts),
        notices.disclaimer(facts, code=any(isinstance(piece, Code) for piece in found)),
    ]
    return tuple(part for n, page in enumerate(pages) for part in _parts(page, n, pages, last))


def _known(facts: Facts) -> frozenset[str]:
    return links.addresses(facts.known)


def _shown(found: Sequence[Piece]) -> list[Piece]:
    """Leave out code without a line: Slack refuses empty text."""
    return [piece for piece in found if piece.text]


def _judged(piece: Piece) -> Piece:
    if isinstance(piece, Prose) or piece.drawn:
        return piece
    return replace(piece, verdict=checks.verdict(piece))


def _pages(found: Sequence[Piece], *, whole: bool) -> list[_Page]:
    """Deal the pieces out, with long code as files behind the words before it."""
    pages = [_Page()]
    run: list[Piece] = []
    number = 0
    for piece in [*found, None]:
        long = isinstance(piece, Code) and size(piece.text) > LONG
        if piece is not None and not long:
            run.append(piece)
            continue
        pages += [_Page(page) for page in packed(run, ROOM, whole=whole)]
        run = []
        if isinstance(piece, Code):
            number += 1
            pages[-1].files.append(_file(piece, number))
            pages[-1].judged.append(piece)
    return pages if len(pages) == 1 or pages[0].files else pages[1:]


def _file(code: Code, number: int) -> Snippet:
    name = f"reply-{number}.{code.language.ending}"
    return Snippet(name, code.language.snippet, code.text + "\n", name)


def _notices(source: str, found: Sequence[Piece], facts: Facts) -> list[str]:
    spans = [span for piece in found if isinstance(piece, Prose) for span in piece.spans]
    hidden = sum(piece.text.count("⟨U+") for piece in found) > source.count("⟨U+")
    return [
        "" if found else notices.EMPTY,
        notices.ending(facts),
        notices.dropped(facts.dropped),
        notices.INVENTED if any(span.invented for span in spans) else "",
        notices.HIDDEN if hidden else "",
    ]


def _parts(page: _Page, place: int, pages: Sequence[_Page], last: list[str]) -> list[Part]:
    code = [piece for piece in page.pieces if isinstance(piece, Code)]
    sentences = [checks.line([*code, *page.judged])]
    sentences.append(notices.files([file.filename for file in page.files]))
    if len(pages) > 1:
        sentences.append(f"Part {place + 1} of {len(pages)}")
    if place == len(pages) - 1:
        sentences += last
    return [_message(page.pieces, sentences), *page.files]


def _message(found: Sequence[Piece], sentences: Sequence[str]) -> Message:
    said = [sentence for sentence in sentences if sentence]
    words = "\n".join(piece.text[:TEXT] for piece in found[:TEXT]) or " ".join(said)
    blocks = [block for sentence in said for block in notices.context(sentence)]
    return Message(plain(words), rich_text.blocks(found) + blocks)
