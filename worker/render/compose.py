"""Composes a reply: parsed pieces become messages and files, with our notes below them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from contract.code_languages import PLAIN_TEXT
from contract.code_verdicts import describe_verdicts
from contract.language import Language, Translatable
from worker.render import code_checks, links, markdown, rich_text, sanitize, texts
from worker.render.code_hints import describe_hints
from worker.render.footer import compose_footer
from worker.render.model import (
    MAX_FALLBACK_UNITS,
    MAX_INLINE_CODE_UNITS,
    MAX_MESSAGE_WEIGHT,
    MAX_MESSAGES,
    BlockFindings,
    CodeBlock,
    ComposedReply,
    Message,
    ParsedReply,
    Part,
    Piece,
    Prose,
    ReplyFacts,
    Snippet,
    Span,
    utf16_length,
)
from worker.render.paginate import paginate_pieces
from worker.render.sanitize import escape_fallback
from worker.render.wording import NOT_CHECKED, Wording
from worker.render.work_limits import (
    FINAL_BUDGET,
    GROWING_BUDGET,
    MAX_REPLY_CHARACTERS,
    WorkBudget,
)

UNSTABLE_LINE: Final = re.compile(
    r"""
    [ \t>]*+
    (?: (?:[-+*]|\d{1,9}+[.)]) (?:[ \t]++(?:```|~~~)[^\n]*+)?   # a list item without text
      | [>#*`~]{1,6} | \d{1,9}+                                  # a mark that may become longer
      | (?:```|~~~)[^\n]*+                                      # a fence's own line
      | \|[^\n]*+ (?:\n[ \t>]*+ (?:\|[-:|\ \t]*+)? )?           # a table's header or last row
    )? [ \t]*+ \Z
    """,
    re.VERBOSE,
)
"""A last line that may become something else with the next token; shown now, it would flicker."""

MAX_GROWING_CHARACTERS: Final = 2 * MAX_MESSAGE_WEIGHT
"""A growing reply is parsed up to here: more never fits its one message."""
MAX_PLAIN_CHARACTERS: Final = MAX_MESSAGE_WEIGHT // 4
"""Beginning of a reply that is shown as plain text; an invisible character takes 8 units."""


Sentences = Sequence[Translatable | str]
"""Our sentences below a reply, some of them already words; empty ones are not shown."""


@dataclass(slots=True)
class _Page:
    """One message of a reply, with the files that follow it and the long code in them."""

    pieces: list[Piece]
    files: list[Snippet] = field(default_factory=list)
    long_code: list[Piece] = field(default_factory=list)


def compose_growing(text: str, language: Language) -> Message:
    """Return a reply in progress: the beginning that fits one message, and a progress note."""
    pieces, is_complete = _first_page(_drop_unstable_line(text[:MAX_GROWING_CHARACTERS]))
    is_complete = is_complete and len(text) <= MAX_GROWING_CHARACTERS
    note = texts.WRITING if is_complete else texts.describe_overflow(len(text))
    return _build_message(pieces, [note], language)


def compose_final(text: str, *, facts: ReplyFacts) -> tuple[Part, ...]:
    """Return the parts of the finished reply, with its code unchecked: see `compose_reply`."""
    return compose_reply(parse_reply(text, facts=facts), {}, facts=facts).parts


def parse_reply(text: str, *, facts: ReplyFacts) -> ParsedReply:
    """Return the pieces of the finished reply; its code can then be checked."""
    source = sanitize.sanitize_text(text[:MAX_REPLY_CHARACTERS])
    known_addresses = links.collect_addresses(facts.conversation_texts)
    pieces, is_complete = _parse_visible(source, known_addresses, FINAL_BUDGET)
    return ParsedReply(source, tuple(pieces), is_complete, len(text) > MAX_REPLY_CHARACTERS)


def compose_reply(
    reply: ParsedReply,
    findings: Mapping[CodeBlock, BlockFindings],
    wording: Wording = NOT_CHECKED,
    *,
    facts: ReplyFacts,
) -> ComposedReply:
    """
    Return the finished reply in posting order; the first part replaces the placeholder.

    Every line of code arrives whole: code longer than a message becomes a file. A reply of more
    than `MAX_MESSAGES` messages, or of more work than `FINAL_BUDGET`, ends with a file that
    contains the whole reply. Text beyond `MAX_REPLY_CHARACTERS` is left out, with a notice.
    """
    pieces = code_checks.attach_findings(reply.pieces, findings)
    verdicts = code_checks.count_verdicts(pieces)
    pages = _build_pages(pieces, keep_whole=True)
    if len(pages) > MAX_MESSAGES:
        pages = _build_pages(pieces, keep_whole=False)
    closing_sentences: list[Translatable | str] = [
        texts.REPLY_TOO_LONG if reply.is_too_long else "",
        *_collect_notices(reply.source, pieces, facts),
        wording.describe_request(),
        compose_footer(facts.model, verdicts, wording),
    ]
    if len(pages) > MAX_MESSAGES or not reply.is_complete:
        pages = pages[: MAX_MESSAGES - 1]
        pages[-1].files.append(_create_full_reply(reply.source, facts.language))
        closing_sentences = [texts.FULL_REPLY_BELOW, *closing_sentences]
    parts = tuple(
        part
        for number, page in enumerate(pages, 1)
        for part in _build_parts(page, number, pages, closing_sentences, facts.language)
    )
    return ComposedReply(
        parts, verdicts, len({hint.key for hint in code_checks.list_hints(pieces)})
    )


def compose_plain(text: str, *, facts: ReplyFacts) -> tuple[Part, ...]:
    """
    Return the finished reply without any formatting: its beginning, and a file with all of it.

    It is for a reply that `compose_final` cannot lay out in time. Its work is a few passes over the
    text.
    """
    source = sanitize.sanitize_text(text[:MAX_REPLY_CHARACTERS])
    beginning = sanitize.reveal_in_code(source[:MAX_PLAIN_CHARACTERS]).strip("\n")
    pieces = [Prose((Span(beginning),))] if beginning.strip() else []
    sentences: Sentences = [
        texts.SHOWN_AS_PLAIN_TEXT,
        facts.file_note,
        texts.describe_ending(facts),
        texts.describe_hidden_secrets(facts.hidden_secrets),
        texts.describe_dropped_turns(facts.dropped_turns),
        texts.CHANNEL_PROMPT_SHORTENED if facts.is_rule_shortened else "",
        compose_footer(facts.model, None),
    ]
    language = facts.language
    return _build_message(pieces, sentences, language), _create_full_reply(source, language)


def _drop_unstable_line(text: str) -> str:
    """Drop the last line, or the last two of a table, if the next token may change its meaning."""
    last = text.rfind("\n") + 1
    for start in (text.rfind("\n", 0, max(0, last - 1)) + 1, last):
        if UNSTABLE_LINE.match(text, start):
            return text[:start]
    return text


def _parse_visible(
    source: str, known_addresses: frozenset[str], units: int
) -> tuple[list[Piece], bool]:
    """
    Parse sanitized text; return the pieces, and whether they are all.

    Pieces without visible text are dropped, because Slack rejects them.
    """
    budget = WorkBudget(units)
    pieces = markdown.parse_pieces(source, known_addresses, budget)
    return [piece for piece in pieces if piece.text.strip()], not budget.is_exhausted


def _first_page(text: str) -> tuple[list[Piece], bool]:
    """Return the pieces that fit one message, and whether these are all."""
    source = sanitize.sanitize_text(text)
    pieces, is_complete = _parse_visible(source, frozenset(), GROWING_BUDGET)
    pages = paginate_pieces(pieces, MAX_MESSAGE_WEIGHT, keep_whole=False, max_messages=1)
    return (pages[0] if pages else []), len(pages) <= 1 and is_complete


def _build_pages(all_pieces: Sequence[Piece], *, keep_whole: bool) -> list[_Page]:
    """Distribute the pieces over messages; long code becomes a file after the text before it."""
    pages: list[_Page] = []
    for long, group in groupby(all_pieces, _is_long_code):
        if not long:
            pages += [
                _Page(pieces)
                for pieces in paginate_pieces(
                    group, MAX_MESSAGE_WEIGHT, keep_whole=keep_whole, max_messages=MAX_MESSAGES
                )
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


def _create_full_reply(source: str, language: Language) -> Snippet:
    content = sanitize.reveal_in_code(source).rstrip("\n") + "\n"
    return Snippet("reply.md", "markdown", content, texts.FULL_REPLY_TITLE.translate(language))


def _collect_notices(source: str, pieces: Sequence[Piece], facts: ReplyFacts) -> Sentences:
    spans = [span for piece in pieces if isinstance(piece, Prose) for span in piece.spans]
    made_visible = sum(piece.text.count("⟨U+") for piece in pieces) > source.count("⟨U+")
    return [
        facts.file_note,
        "" if pieces else texts.EMPTY_REPLY,
        texts.describe_ending(facts),
        texts.describe_candidate(facts),
        texts.describe_hidden_secrets(facts.hidden_secrets),
        texts.describe_dropped_turns(facts.dropped_turns),
        texts.CHANNEL_PROMPT_SHORTENED if facts.is_rule_shortened else "",
        texts.UNVERIFIED_ADDRESSES if any(span.invented for span in spans) else "",
        texts.INVISIBLE_CHARACTERS if made_visible else "",
    ]


def _build_parts(
    page: _Page,
    number: int,
    pages: Sequence[_Page],
    closing_sentences: Sentences,
    language: Language,
) -> list[Part]:
    checked = [*page.pieces, *page.long_code]
    sentences = [
        describe_verdicts(code_checks.count_verdicts(checked)),
        *describe_hints(code_checks.list_hints(checked)),
        texts.list_files([file.filename for file in page.files]),
        texts.describe_part(number, len(pages)),
        *(closing_sentences if number == len(pages) else []),
    ]
    return [_build_message(page.pieces, sentences, language), *page.files]


def _build_message(pieces: Sequence[Piece], sentences: Sentences, language: Language) -> Message:
    words = [one if isinstance(one, str) else one.translate(language) for one in sentences]
    shown_sentences = [sentence for sentence in words if sentence]
    fallback_text = "\n".join(
        piece.text[:MAX_FALLBACK_UNITS] for piece in pieces[:MAX_FALLBACK_UNITS]
    ) or " ".join(shown_sentences)
    context = [block for sentence in shown_sentences for block in texts.context_blocks(sentence)]
    return Message(escape_fallback(fallback_text), rich_text.render_blocks(pieces) + context)
