"""Code blocks of a message: the text between fences, with its language and its file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bot.current_code.file_names import find_extension, read_info, read_label
from contract.code_languages import PLAIN_TEXT, Language, find_language, split_info_string

FENCE: Final = re.compile(
    r"(?P<prefix>[ \t]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?)(?P<mark>`{3,}+(?=[^`]*+\Z)|~{3,}+)"
    r"(?P<info>.*+)\Z"
)
ELISION: Final = re.compile(
    r"[ \t]*+(?:\#|//|--|/\*|<!--|\*)[ \t]*+(?:\(?(?:\.{3}|…)|.{0,40}?"
    r"\b(?:rest of (?:the |your |this )?(?:code|file|class|function|methods|script|program)"
    r"|(?:existing|other|previous|remaining) (?:code|functions|methods|imports)"
    r"|(?:remains?|stays?) (?:the same|unchanged)|same as (?:before|above))\b)",
    re.IGNORECASE,
)
"""A comment in place of lines that the model has left out."""
MAX_ELISION_CHARACTERS: Final = 200
MARKDOWN_TAGS: Final = frozenset({"markdown", "md"})


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """
    Code with its language and the name of its file, both as far as they are written.

    `label` is the comment with the name, which `code` does not hold. `full_text` is all that was
    written.
    """

    code: str
    language: Language = PLAIN_TEXT
    name: str = ""
    label: str = ""
    is_labelled: bool = False
    """Whether the fence names a language, also one that is not known."""
    is_closed: bool = True
    is_file: bool = False
    """Whether it is a whole file that a person posted."""
    is_recoded: bool = False

    @property
    def full_text(self) -> str:
        """The code below its label."""
        return f"{self.label}{self.code}"

    @property
    def has_elision(self) -> bool:
        """Whether a comment or an ellipsis says that lines were left out."""
        lines = self.code.split("\n")
        # Python has `...` too: its parser tells where that stands for a body.
        may_be_python = self.language is PLAIN_TEXT or self.language.name == "python"
        marks = set() if may_be_python else {"...", "…"}
        return any(
            ELISION.match(line[:MAX_ELISION_CHARACTERS]) or line.strip() in marks for line in lines
        )


def make_block(text: str, *, tag: str = "", rest: str = "", name: str = "") -> CodeBlock:
    """Return a block of code by its text, its fence's words, and its name if that is known."""
    first, line_end, code = text.partition("\n")
    written = read_label(first)
    language = find_language(tag)
    if written and not _fits_language(written, language):
        written = ""
    if not written:
        first, line_end, code = "", "", text
    name = name or read_info(tag, rest) or written
    if language is PLAIN_TEXT and name:
        language = find_language(find_extension(name))
    label = f"{first}{line_end}"
    return CodeBlock(code, language, name, label, is_labelled=bool(tag))


def scan_blocks(text: str) -> Iterator[CodeBlock]:
    """Yield the code blocks of a text in order; one without a closing fence is not closed."""
    lines = text.replace("\r\n", "\n").split("\n")
    start = 0
    while start < len(lines):
        fence = FENCE.match(lines[start])
        start += 1
        if fence is None:
            continue
        tag, rest = split_info_string(fence["info"])
        end = _find_end(lines, start, fence["mark"], is_markdown=tag in MARKDOWN_TAGS)
        indent = len(fence["prefix"].expandtabs(4))
        code = "".join(f"{_remove_indent(line, indent)}\n" for line in lines[start:end])
        block = make_block(code, tag=tag, rest=rest)
        if end == len(lines):
            yield replace(block, is_closed=False)
        elif block.code.strip():
            yield block
        start = end + 1


def _find_end(lines: list[str], start: int, mark: str, *, is_markdown: bool) -> int:
    """Return the index of the closing fence; the number of lines if there is none."""
    nesting = 0
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if not line.startswith(mark):
            continue
        if set(line) == {mark[0]}:
            if not nesting:
                return index
            nesting -= 1
        elif is_markdown:
            nesting += 1
    return len(lines)


def _remove_indent(line: str, columns: int) -> str:
    """Return a line without the indent that its list has."""
    width = len(line) - len(line.lstrip(" \t"))
    if "\t" not in line[:width]:
        return line[min(columns, width) :]
    return line[:width].expandtabs(4)[columns:] + line[width:] if columns else line


def _fits_language(name: str, language: Language) -> bool:
    """Return whether code in a language may be in this file."""
    named = find_language(find_extension(name))
    return PLAIN_TEXT in {named, language} or named == language
