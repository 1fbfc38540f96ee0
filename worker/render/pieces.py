"""What a reply is made of once its Markdown is read: prose in styled spans, and code."""

from dataclasses import dataclass
from enum import Flag, StrEnum, auto

from worker.render.languages import PLAIN_TEXT, Language
from worker.render.model import ELEMENT_WEIGHT, utf16_length


class Style(Flag):
    """How a span looks; styles combine."""

    PLAIN = 0
    BOLD = auto()
    ITALIC = auto()
    STRIKE = auto()
    CODE = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """
    Words in one style. `link` says that they are an address from the conversation itself,
    `invented` that they are one from the model alone.
    """

    text: str
    style: Style = Style.PLAIN
    link: bool = False
    invented: bool = False

    @property
    def weight(self) -> int:
        """What the span takes of a message's room; an address is sent twice."""
        return utf16_length(self.text) * (1 + self.link) + ELEMENT_WEIGHT


class ProseKind(StrEnum):
    """What holds a run of prose."""

    SECTION = "section"
    QUOTE = "quote"
    ITEM = "item"


@dataclass(frozen=True, slots=True)
class Prose:
    """
    One paragraph, heading, quote or item of a list.

    For an item `depth` counts the lists around its own, `number` is `None` for a bullet. `close`
    says that the next paragraph follows without an empty line, as after a heading.
    """

    spans: tuple[Span, ...]
    kind: ProseKind = ProseKind.SECTION
    depth: int = 0
    number: int | None = None
    tight: bool = False

    @property
    def text(self) -> str:
        """The words without their styles."""
        return "".join(span.text for span in self.spans)

    @property
    def weight(self) -> int:
        """What the piece takes of a message's room."""
        return sum(span.weight for span in self.spans) + ELEMENT_WEIGHT


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """
    A block of code, its lines without a last line end.

    `open` says that the model had not closed it, `verdict` what a parser says of it; a `drawn`
    one is a table of ours.
    """

    text: str
    language: Language = PLAIN_TEXT
    unclosed: bool = False
    is_table: bool = False
    check_result: str = ""

    @property
    def weight(self) -> int:
        """What the piece takes of a message's room."""
        return utf16_length(self.text) + 2 * ELEMENT_WEIGHT


Piece = Prose | CodeBlock
