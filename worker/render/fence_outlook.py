"""
Fence outlook: whether the fences below a line pair up, if the line is read as one of two things.

Models glue fences to code and to words. A fence that may open, close or be text is read so that
the fences after it pair up.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from contract.code_languages import is_known_tag, split_info_string

FENCE_LINE: Final = re.compile(
    r"(?:[ \t]*+(?:>|(?:[-+*]|\d{1,9}+[.)])(?=[ \t]))){0,99}"
    r"[ \t]*+(?:`{3,}+|~{3,}+)(?P<info>[^`]*+)\Z"
)
GLUED_FENCE: Final = re.compile(
    r"(?P<before>[^`]*+)(?P<mark>`{3,}+)[ \t]*+(?P<info>[^`\s]*+)\s*+\Z"
)
"""Words, then a fence: `Code:```python`, or `x = 1```` at the end of a block."""
CLOSING_WORDS: Final = re.compile(r"[ \t]*+(?P<mark>`{3,}+)(?P<words>[ \t]*+[A-Za-z][^`]*+)\Z")
"""A fence with words behind it; one word is a language."""
CODE_CHARACTER: Final = re.compile(r"[^\s/*#;'%!<>|-]")
"""A line without such a character before its fence is a comment's, which belongs to the code."""


class GluedClosing(NamedTuple):
    """A closing fence that shares its line: the code before it, and the words behind it."""

    code: str
    words: str


class FenceOutlook:
    """For each line, whether the fences from it on pair up, inside and outside of a block."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Read all lines once, from the last to the first."""
        count = len(lines)
        self.pairs_inside = [False] * (count + 1)
        self.pairs_outside = [True] * (count + 1)
        for index in range(count - 1, -1, -1):
            inside, outside = self.pairs_inside[index + 1], self.pairs_outside[index + 1]
            line = lines[index]
            if "```" in line or "~~~" in line:
                inside, outside = _step_back(line, inside=inside, outside=outside)
            self.pairs_inside[index], self.pairs_outside[index] = inside, outside

    def opens_block(self, index: int) -> bool:
        """Whether a fence behind words opens a block, so that the fences below it pair up."""
        return self.pairs_inside[index + 1] or not self.pairs_outside[index + 1]

    def stays_in_block(self, index: int) -> bool:
        """Whether a fence that shares a line of a block is text, because others pair up."""
        return self.pairs_inside[index + 1]


class UnknownOutlook:
    """The outlook of a growing text: a fence is read as if no other followed."""

    def __init__(self) -> None:
        """Start without a doubt."""
        self.may_be_open = False
        """Whether later fences may show that one behind words opened a block."""
        self.may_be_closed = False
        """Whether later fences may show that one which closed a block was text."""

    def opens_block(self, _index: int) -> bool:
        """Read a fence behind words as words."""
        self.may_be_open = True
        return False

    def stays_in_block(self, _index: int) -> bool:
        """Read a fence that shares a line of a block as its end."""
        self.may_be_closed = True
        return False


def _step_back(line: str, *, inside: bool, outside: bool) -> tuple[bool, bool]:
    fence = FENCE_LINE.match(line)
    if fence:
        words = fence["info"].split()
        if not words:
            return outside, inside
        if len(words) > 1:
            return inside or outside, inside
        # A language inside a block means that a closing fence is missing above.
        return inside and not is_known_tag(split_info_string(words[0])[0]), inside
    if GLUED_FENCE.match(line):
        return inside or outside, inside or outside
    return inside, outside


def find_glued_closing(body: str, marker: str) -> GluedClosing | None:
    """Return how a line of a block may close it, if its fence is not alone on the line."""
    behind = CLOSING_WORDS.match(body)
    if behind and len(behind["mark"]) >= len(marker) and marker[0] == "`":
        words = behind["words"].strip()
        return GluedClosing("", words) if " " in words or words[-1] in ".:!?" else None
    glued = GLUED_FENCE.match(body)
    if not glued or glued["info"] or len(glued["mark"]) < len(marker) or marker[0] != "`":
        return None
    return GluedClosing(glued["before"], "") if CODE_CHARACTER.search(glued["before"]) else None


def find_glued_opening(line: str) -> tuple[str, str] | None:
    """Return the words and the fence of a line that may open a block behind words."""
    glued = GLUED_FENCE.match(line)
    if not glued or not CODE_CHARACTER.search(glued["before"]):
        return None
    return glued["before"].rstrip(), line[glued.start("mark") :]
