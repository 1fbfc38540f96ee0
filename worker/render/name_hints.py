"""Hints about names in a reply's code that are in no list of the worker, as a reader sees them."""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from contract.code_verdicts import MAX_NUMBER
from contract.language import Phrase, Translatable

NAME_PATTERN: Final = r"^[^\s`<>&]{1,80}$"
WORDS_PATTERN: Final = r"^[\w .()-]{0,60}$"


class HintKind(StrEnum):
    """
    The list that lacks a name, or what is known of the name.

    `CHANGED`: a library renamed or removed it. `NEWER`: the package is newer than the model.
    """

    PYPI = "pypi"
    NPM = "npm"
    IMPORT = "import"
    PYTHON = "python"
    CHANGED = "changed"
    NEWER = "newer"


SENTENCES: Final = {
    HintKind.PYPI: Phrase(
        "Line {line}: {name} isn't in my list of PyPI packages ({date}). "
        "Check that it exists before you install it."
    ),
    HintKind.NPM: Phrase(
        "Line {line}: {name} isn't in my list of npm packages ({date}). "
        "Check that it exists before you install it."
    ),
    HintKind.IMPORT: Phrase(
        "Line {line}: the module {name} isn't in my list of Python packages ({date}). "
        "Check that it exists."
    ),
    HintKind.PYTHON: Phrase(
        "Line {line}: {name} isn't in my list of Python's standard library ({date}). "
        "Check that it exists."
    ),
    HintKind.NEWER: Phrase(
        "Line {line}: {name} was first released in {year}, after StarChat-β's training. "
        "The model may have invented how to use it."
    ),
    HintKind.CHANGED: Phrase("Line {line}: since {since}, {name} is gone; use {use}."),
}
GONE: Final = Phrase("Line {line}: since {since}, {name} is gone.")
"""For a changed name without a successor."""


class NameHint(BaseModel):
    """
    A name in a line of a code block.

    `date` is that of the list. `since` and `use` say where a changed name ended, and what to use. A
    newer package exists `since` a year.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: HintKind
    name: str = Field(pattern=NAME_PATTERN)
    line: int = Field(ge=1, le=MAX_NUMBER)
    date: str = Field(default="", pattern=r"^(\d{4}-\d{2})?$")
    since: str = Field(default="", pattern=WORDS_PATTERN)
    use: str = Field(default="", pattern=WORDS_PATTERN)

    @property
    def key(self) -> str:
        """What the hint is about: a name has one sentence below a message."""
        return f"{self.kind} {self.name}"

    def describe(self) -> Translatable:
        """Return the hint as a sentence, which never says that a name doesn't exist."""
        sentence = SENTENCES[self.kind]
        if self.kind is HintKind.CHANGED:
            sentence = GONE if not self.use else sentence.with_values(use=self.use)
            values = dict(sentence.values) | {"since": self.since}
        elif self.kind is HintKind.NEWER:
            values = {"year": self.since}
        else:
            values = {"date": self.date}
        return sentence.with_values(line=self.line, name=self.name, **values)
