"""Composes a reply: parsed pieces become messages and files, with our notes below them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from worker.render import code_checks, links, markdown, rich_text, sanitize, texts
from worker.render.languages import PLAIN_TEXT
from worker.render.model import (
    MAX_FALLBACK_UNITS,
    MAX_INLINE_CODE_UNITS,
    MAX_MESSAGE_WEIGHT,
    MAX_MESSAGES,
    CodeBlock,
    Message,
    Part,
    Piece,
    Prose,
    ReplyFacts,
    Snippet,
    utf16_length,
)
from worker.render.paginate import paginate_pieces
from worker.render.sanitize import escape_fallback

UNSTABLE_LAST_LINE: Final = re.compile(
    r"""
    (?:\A|(?<=\n)) [ \t>]*+
    (?: (?:[-+*]|\d{1,9}[.)]) (?:[ \t]++(?:```|~~~)[^\n]*)?     # a list item without text
      | [>#*`~]{1,6} | \d{1,9}                                  # a mark that may become longer
      | (?:```|~~~)[^\n]*                                      # a fence's own line
      | \|[^\n]* (?:\n[ \t>]*+ (?:\|[-:|\ \t]*)? )?           # a table's header or last row
    )? [ \t]* \Z
    """,
    re.VERBOSE,
)
"""A last line that may become something else with the next token; shown now, it would flicker."""

MAX_GROWING_CHARACTERS: Final = 2 * MAX_MESSAGE_WEIGHT
"""A growing reply is parsed up to here: more never fits its one message."""


@dataclass(slots=True)
class _Page:
    """One message of a reply, with the files that follow it and the long code in them."""

    pieces: list[Piece]
    files: list[Snippet] = field(default_factory=list)
    long_code: list[Piece] = field(default_factory=list)


def compose_growing(text: str) -> Message:
    """Return a reply in progress: the beginning that fits one message, and a progress note."""
    pieces, is_complete = _first_page(UNSTABLE_LAST_LINE.sub("", text[:MAX_GROWING_CHARACTERS]))
    is_complete = is_complete and len(text) <= MAX_GROWING_CHARACTERS
    return _build_message(
        pieces, [texts.WRITING if is_complete else texts.describe_overflow(len(text))]
    )


def compose_stopped(text: str, sentence: str = texts.STOPPED) -> Message:
    """Return the text of a reply that was stopped, with the reason below it."""
    pieces, _ = _first_page(text[:MAX_GROWING_CHARACTERS])
    return _build_message(pieces, [sentence])


def compose_final(text: str, *, facts: ReplyFacts) -> tuple[Part, ...]:
    """
    Return the finished reply in posting order; the first part replaces the placeholder.

    Every line of code arrives whole: code longer than a message becomes a file, and a reply of more
    than `MAX_MESSAGES` messages ends with a file that contains the whole reply.
    """
    source = sanitize.sanitize_text(text)
    pieces = [
        _attach_check(piece)
        for piece in _parse_visible(source, links.collect_addresses(facts.conversation_texts))
    ]
    pages = _build_pages(pieces, keep_whole=True)
    if len(pages) > MAX_MESSAGES:
        pages = _build_pages(pieces, keep_whole=False)
    closing_sentences = [
        *_collect_notices(source, pieces, facts),
        _select_disclaimer(pieces, facts),
    ]
    if len(pages) > MAX_MESSAGES:
        pages = pages[: MAX_MESSAGES - 1]
        pages[-1].files.append(_create_full_reply(source))
        closing_sentences = [texts.FULL_REPLY_BELOW, *closing_sentences]
    return tuple(
        part
        for number, page in enumerate(pages, 1)
        for part in _build_parts(page, number, pages, closing_sentences)
    )


def _parse_visible(source: str, known_addresses: frozenset[str]) -> list[Piece]:
    """Parse sanitized text; pieces without visible text are dropped, because Slack rejects them."""
    return [piece for piece in markdown.parse_pieces(source, known_addresses) if piece.text.strip()]


def _first_page(text: str) -> tuple[list[Piece], bool]:
    """Return the pieces that fit one message, and whether these are all."""
    pages = paginate_pieces(
        _parse_visible(sanitize.sanitize_text(text), frozenset()),
        MAX_MESSAGE_WEIGHT,
        keep_whole=False,
    )
    return (pages[0] if pages else []), len(pages) <= 1


def _attach_check(piece: Piece) -> Piece:
    if isinstance(piece, Prose) or piece.is_table:
        return piece
    return replace(piece, check_result=code_checks.check_code(piece))


def _build_pages(all_pieces: Sequence[Piece], *, keep_whole: bool) -> list[_Page]:
    """Distribute the pieces over messages; long code becomes a file after the text before it."""
    pages: list[_Page] = []
    for long, group in groupby(all_pieces, _is_long_code):
        if not long:
            pages += [
                _Page(pieces)
                for pieces in paginate_pieces(group, MAX_MESSAGE_WEIGHT, keep_whole=keep_whole)
            ]
            continue
        pages = pages or [_Page([])]
        for code in group:
            pages[-1].files.append(
                _create_snippet(code, sum(len(page.files) for page in pages) + 1)
            )
            pages[-1].long_code.append(code)
    return pages or [_Page([])]


def _is_long_code(piece: Piece) -> bool:
    return isinstance(piece, CodeBlock) and utf16_length(piece.text) > MAX_INLINE_CODE_UNITS


def _create_snippet(piece: Piece, number: int) -> Snippet:
    language = piece.language if isinstance(piece, CodeBlock) else PLAIN_TEXT
    name = f"reply-{number}.{language.file_extension}"
    return Snippet(name, language.snippet_type, piece.text + "\n", name)


def _create_full_reply(source: str) -> Snippet:
    content = sanitize.reveal_in_code(source).rstrip("\n") + "\n"
    return Snippet("reply.md", "markdown", content, "The whole reply")


def _collect_notices(source: str, pieces: Sequence[Piece], facts: ReplyFacts) -> list[str]:
    spans = [span for piece in pieces if isinstance(piece, Prose) for span in piece.spans]
    made_visible = sum(piece.text.count("⟨U+") for piece in pieces) > source.count("⟨U+")
    return [
        "" if pieces else texts.EMPTY_REPLY,
        texts.describe_ending(facts),
        texts.describe_dropped(facts.dropped_turns),
        texts.UNVERIFIED_ADDRESSES if any(span.invented for span in spans) else "",
        texts.INVISIBLE_CHARACTERS if made_visible else "",
    ]


def _select_disclaimer(pieces: Sequence[Piece], facts: ReplyFacts) -> str:
    return texts.compose_disclaimer(
        facts, has_code=any(isinstance(piece, CodeBlock) for piece in pieces)
    )


def _build_parts(
    page: _Page, number: int, pages: Sequence[_Page], closing_sentences: Sequence[str]
) -> list[Part]:
    sentences = [
        code_checks.summarize_checks([*page.pieces, *page.long_code]),
        texts.list_files([file.filename for file in page.files]),
        f"Part {number} of {len(pages)}" if len(pages) > 1 else "",
        *(closing_sentences if number == len(pages) else []),
    ]
    return [_build_message(page.pieces, sentences), *page.files]


def _build_message(pieces: Sequence[Piece], sentences: Sequence[str]) -> Message:
    shown_sentences = [sentence for sentence in sentences if sentence]
    fallback_text = "\n".join(
        piece.text[:MAX_FALLBACK_UNITS] for piece in pieces[:MAX_FALLBACK_UNITS]
    ) or " ".join(shown_sentences)
    context = [block for sentence in shown_sentences for block in texts.context_blocks(sentence)]
    return Message(escape_fallback(fallback_text), rich_text.render_blocks(pieces) + context)
