"""Verdicts of code checks: what a parser says about the code of a reply, and how people read it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from contract.language import JoinedPhrases, Phrase, Translatable

MAX_VERDICTS: Final = 8
"""Verdicts shown in one line."""
MAX_NUMBER: Final = 10**6
CODE_NAME_PATTERN: Final = r"^[a-zA-Z0-9.+# -]{0,20}$"
"""Name of a programming language, in the length that a button's value has room for."""
REASON_PATTERN: Final = r"^[a-z-]{0,12}$"
REASONS: Final = {
    "open-paren": Phrase("'{sign}' was never closed", sign="("),
    "open-bracket": Phrase("'{sign}' was never closed", sign="["),
    "open-brace": Phrase("'{sign}' was never closed", sign="{"),
    "open-string": Phrase("a string was never closed"),
    "unmatched": Phrase("a closing bracket matches no opening one"),
    "indent": Phrase("unexpected indent"),
    "no-indent": Phrase("expected an indented block"),
    "dedent": Phrase("the indent matches no outer level"),
    "tabs": Phrase("tabs and spaces are mixed"),
    "colon": Phrase("expected ':'"),
    "comma": Phrase("a comma may be missing"),
    "call": Phrase("missing parentheses in a call"),
    "equals": Phrase("'==' may be meant instead of '='"),
    "except": Phrase("expected 'except' or 'finally'"),
    "character": Phrase("a character that is not allowed there"),
    "key": Phrase("expected a name in double quotes"),
    "value": Phrase("expected a value"),
    "trailing": Phrase("more text after the end"),
    "escape": Phrase("unknown escape sequence"),
    "twice": Phrase("a name is given twice"),
    "assignment": Phrase("expected '=' after a name"),
    "no-colon": Phrase("':' is not allowed there"),
    "tab": Phrase("a tab is not allowed there"),
    "tag": Phrase("opening and closing tag differ"),
    "end": Phrase("it ends too early"),
}
"""
Reasons why code does not parse, by the name that a verdict carries.

A parser's own message may quote the code, so it is never shown.
"""


class VerdictKind(StrEnum):
    """What a parser says about a code block."""

    PARSES = "parses"
    BROKEN = "broken"
    UNFINISHED = "unfinished"
    """The block has no end, so it was not checked."""
    GUESSED = "guessed"
    """The block has no label, and parses in the language that it looks like."""
    UNCHECKED = "unchecked"


class CodeVerdict(BaseModel):
    """
    Verdict on `blocks` code blocks in one programming language; `code` is its name, if known.

    `line` is the line that does not parse, 0 if there is none or it is unknown. `why` is a key of
    `REASONS`; an unknown one is not shown.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    kind: VerdictKind
    code: str = Field(default="", pattern=CODE_NAME_PATTERN)
    line: int = Field(default=0, ge=0, le=MAX_NUMBER)
    why: str = Field(default="", pattern=REASON_PATTERN)
    blocks: int = Field(default=1, ge=1, le=MAX_NUMBER)

    @property
    def is_parsed(self) -> bool:
        """Whether a parser has said something about the code."""
        return self.kind not in {VerdictKind.UNFINISHED, VerdictKind.UNCHECKED}

    def describe(self) -> Translatable:
        """Return the verdict as words."""
        name = self.code or Phrase("code")
        match self.kind:
            case VerdictKind.PARSES:
                words = Phrase("{code}: parses", code=name)
            case VerdictKind.BROKEN:
                words = self._describe_error(name)
            case VerdictKind.GUESSED:
                words = Phrase("looks like {code}: parses", code=name)
            case VerdictKind.UNFINISHED:
                words = Phrase("{code}: unfinished, not checked", code=name)
            case _:
                words = Phrase("{code}: not checked", code=name)
        return JoinedPhrases([words, f" ×{self.blocks}" if self.blocks > 1 else ""], "")

    def _describe_error(self, name: str | Phrase) -> Phrase:
        why = REASONS.get(self.why)
        if not self.line:
            return Phrase("{code}: does not parse", code=name)
        if why is None:
            return Phrase("{code}: does not parse (line {line})", code=name, line=self.line)
        return Phrase(
            "{code}: does not parse (line {line}: {why})", code=name, line=self.line, why=why
        )


def describe_verdicts(verdicts: Sequence[CodeVerdict], num_more: int = 0) -> Translatable:
    """Return verdicts as one line, empty if there are none; `num_more` are not among them."""
    num_more += max(0, len(verdicts) - MAX_VERDICTS)
    more = Phrase("{count} more", count=num_more) if num_more else ""
    return JoinedPhrases([*(one.describe() for one in verdicts[:MAX_VERDICTS]), more], " · ")
