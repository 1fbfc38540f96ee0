"""Data model of a reply: parsed pieces, and the Slack messages and files that they become."""

from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from contract.code_languages import PLAIN_TEXT, Language
from contract.code_verdicts import CodeVerdict
from contract.language import Language as ReaderLanguage
from worker.render.name_hints import NameHint
from worker.render.safety_hints import SafetyHint

Json = dict[str, Any]

MAX_FALLBACK_UNITS: Final = 3_000
"""Maximum length of the fallback text in UTF-16 units; Slack's edits fail from 4,000 on."""
MAX_MESSAGE_WEIGHT: Final = 9_500
"""Maximum weight of the model's text in one message; Slack's limit for a message is unstated."""
MAX_INLINE_CODE_UNITS: Final = 9_000
"""Longer code becomes a snippet file (UTF-16 units)."""
MAX_MESSAGES: Final = 4
"""A reply that needs more messages ends in a file."""
ELEMENT_WEIGHT: Final = 30
"""Weight of one element beside its text: Slack counts the containers too."""


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message for `chat.postMessage` or `chat.update`.

    Model text is in `rich_text` blocks, our notes are in `context` blocks. `text` is the plain
    fallback for notifications and screen readers; it cannot ping, link or format.
    """

    text: str
    blocks: list[Json]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A file for the thread; `snippet_type` is Slack's name for the language."""

    filename: str
    snippet_type: str
    content: str
    title: str


Part = Message | Snippet


@dataclass(frozen=True, slots=True)
class ComposedReply:
    """A finished reply in posting order, the verdicts on its code, and the number of its hints."""

    parts: tuple[Part, ...]
    verdicts: tuple[CodeVerdict, ...] = ()
    num_hints: int = 0
    is_covered: bool = False
    """Whether it is one line in place of a reply, because of the reply's wording."""


class CutReason(StrEnum):
    """Why the text of a reply was cut, although the model had not ended it."""

    SPELLED_CONTROL = "stop_text"
    FOREIGN_TURN = "foreign_turn"
    REPETITION = "repetition"


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """
    Facts for the footer and the notes, and the texts that decide which addresses may be links.

    `finish_reason` is a value of `worker.engine.FinishReason` or of `CutReason`.
    `conversation_texts` are the users' turns: only an address in one of them becomes a link.
    Earlier replies must not be in here, because an address that the model invented would become a
    link. `dropped_turns` did not fit the context window. `file_note` says what was read of the
    thread's files. `is_rule_shortened` is whether the channel's own prompt lost its end.
    """

    model: str
    finish_reason: str
    max_new_tokens: int
    conversation_texts: tuple[str, ...] = ()
    dropped_turns: int = 0
    file_note: str = ""
    stopped_by: str = ""
    """Name of the person who stopped the reply; empty if no person did."""
    new_tokens: int = 0
    """Number of tokens of the reply, if a person stopped it."""
    is_rule_shortened: bool = False
    hidden_secrets: int = 0
    """Number of values in the reply that look like secrets and were masked."""
    candidates: int = 1
    """Number of texts that were generated for the reply."""
    candidate: int = 0
    """The one that is shown, from 0."""
    chosen: int = 0
    """The one that has the best score, from 0."""
    is_uncovered: bool = False
    """Whether the person who asked wants to see a reply that is covered."""
    language: ReaderLanguage = ReaderLanguage.ENGLISH
    """Language of our own sentences: that of the job, with which it is stored."""


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 units, as Slack's clients count it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2


class Style(Flag):
    """Style of a span; styles combine."""

    PLAIN = 0
    BOLD = auto()
    ITALIC = auto()
    STRIKE = auto()
    CODE = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """
    Text in one style.

    `link` marks an address from the conversation, `invented` one that only the model wrote.
    """

    text: str
    style: Style = Style.PLAIN
    link: bool = False
    invented: bool = False

    @property
    def weight(self) -> int:
        """Share of a message's weight limit; an address is sent twice."""
        return utf16_length(self.text) * (1 + self.link) + ELEMENT_WEIGHT


class ProseKind(StrEnum):
    """Container of a run of prose."""

    SECTION = "section"
    QUOTE = "quote"
    ITEM = "item"


@dataclass(frozen=True, slots=True)
class Prose:
    """
    One paragraph, heading, quote or list item.

    For an item, `depth` counts the surrounding lists and `number` is `None` for a bullet. `tight`
    means that no empty line follows, as after a heading.
    """

    spans: tuple[Span, ...]
    kind: ProseKind = ProseKind.SECTION
    depth: int = 0
    number: int | None = None
    tight: bool = False

    @property
    def text(self) -> str:
        """The text without styles."""
        return "".join(span.text for span in self.spans)

    @property
    def weight(self) -> int:
        """Share of a message's weight limit."""
        return sum(span.weight for span in self.spans) + ELEMENT_WEIGHT


class BlockFindings(BaseModel):
    """What the checks found in a code block."""

    model_config = ConfigDict(frozen=True)

    verdict: CodeVerdict
    risks: tuple[SafetyHint, ...] = ()
    names: tuple[NameHint, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """
    A code block, without a final line end.

    `unclosed` means that the model wrote no closing fence. `verdict` is a parser's,
    and `hints` are about risks and names in the code.
    `is_table` marks a table that was drawn as text.
    """

    text: str
    language: Language = PLAIN_TEXT
    unclosed: bool = False
    is_table: bool = False
    verdict: CodeVerdict | None = None
    hints: tuple[NameHint | SafetyHint, ...] = ()

    @property
    def weight(self) -> int:
        """Share of a message's weight limit."""
        return utf16_length(self.text) + 2 * ELEMENT_WEIGHT


Piece = Prose | CodeBlock


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """
    The pieces of a finished reply, from its sanitized `source`.

    `is_complete` is whether the pieces are all of it. `is_too_long` means that its end is lost.
    """

    source: str
    pieces: tuple[Piece, ...]
    is_complete: bool
    is_too_long: bool
