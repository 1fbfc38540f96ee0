"""Excerpts of files: whole lines from the beginning, and of a log also from the end."""

import re
from dataclasses import dataclass
from typing import Final

from contract.attached_files import FileReference
from worker.prompt.tokenizer import Tokenizer

HEAD_SHARE: Final = 0.25
"""Share of the tokens for the beginning of a file whose end is shown too."""
REST: Final = "[… the rest of the file is left out …]"
"""Replaces lines that were not even downloaded."""
LANGUAGE: Final = re.compile(r"[A-Za-z0-9+#-]{1,20}")
"""Slack's `filetype` as the language of a code block."""
PLAIN_FILETYPES: Final = frozenset({"auto", "text", "txt", "binary"})
"""Slack's types of files that are in no language."""
FENCES: Final = re.compile(r"`{3,}+")
MAX_FENCE_CHARACTERS: Final = 16
"""A file of backticks must not take three times its room."""


@dataclass(frozen=True, slots=True)
class FileText:
    """Text of a file; `is_cut` if more follows, `shows_end` if its end matters as in a log."""

    text: str
    is_cut: bool = False
    shows_end: bool = False


@dataclass(frozen=True, slots=True)
class FileExcerpt:
    """
    Part of a file for a prompt, and its whole lines at the beginning and at the end.

    `is_shortened` is set where the prompt leaves out parts of an older turn with this excerpt.
    """

    text: str = ""
    head_lines: int = 0
    tail_lines: int = 0
    total_lines: int = 0
    is_whole: bool = False
    is_shortened: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether the prompt shows more than the file's name."""
        return self.is_whole or bool(self.text)


def cut_excerpt(tokenizer: Tokenizer, file: FileText, max_tokens: int) -> FileExcerpt:
    """Return a file's text within a number of tokens; an empty excerpt if that is too few."""
    text, total = file.text, count_lines(file.text)
    if not file.is_cut and tokenizer.measure_head(text, max(0, max_tokens))[1] == len(text):
        return FileExcerpt(text, total, 0, total, is_whole=True)
    budget = max_tokens - len(tokenizer.encode(_describe_gap(total, total + 1)))
    if budget <= 0:
        return FileExcerpt(total_lines=total)
    shows_end = file.shows_end and not file.is_cut
    tail_tokens = budget - int(budget * HEAD_SHARE) if shows_end else 0
    head_end = tokenizer.measure_head(text, budget - tail_tokens)[1]
    tail_start = tokenizer.find_tail(text, tail_tokens)
    head, tail = _keep_whole_lines(text, head_end, tail_start)
    head_lines, tail_lines = head.count("\n"), count_lines(tail)
    if not (head or tail):
        part = text[tail_start:] if shows_end else text[:head_end]
        return FileExcerpt(f"[… a part of a long line …]\n{part}", total_lines=total)
    gap = REST if file.is_cut else _describe_gap(head_lines + 1, total - tail_lines)
    return FileExcerpt(f"{head}{gap}\n{tail}", head_lines, tail_lines, total)


def count_lines(text: str) -> int:
    """Return the number of lines; the last one needs no line end."""
    return text.count("\n") + (not text.endswith("\n") and text != "")


def name_file(reference: FileReference) -> str:
    """Return the line that names an attached file."""
    return f"(attached file: {reference.label})"


def show_preview(reference: FileReference) -> str:
    """Return a file that was not read: its name, and the lines of it that Slack shows."""
    if not reference.preview:
        return name_file(reference)
    note = "\n(the file has more lines)" if reference.has_more else ""
    return show_content(reference, reference.preview) + note


def show_content(reference: FileReference, content: str) -> str:
    """Return a file's name, and its content as it is between fences."""
    fence = find_fence(content)
    language = reference.filetype
    if language in PLAIN_FILETYPES or not LANGUAGE.fullmatch(language):
        language = ""
    end = "" if content.endswith("\n") or not content else "\n"
    return f"{name_file(reference)}\n{fence}{language}\n{content}{end}{fence}"


def find_fence(content: str) -> str:
    """Return a fence that the content does not contain, unless that would be too long."""
    longest = max(map(len, FENCES.findall(content)), default=2)
    return "`" * min(longest + 1, MAX_FENCE_CHARACTERS)


def _keep_whole_lines(text: str, head_end: int, tail_start: int) -> tuple[str, str]:
    """Return the whole lines before `head_end`, and those from `tail_start` on."""
    tail_line = text.find("\n", max(0, tail_start - 1)) + 1
    return text[: text.rfind("\n", 0, head_end) + 1], text[tail_line:] if tail_line else ""


def _describe_gap(first: int, last: int) -> str:
    return f"[… lines {first:,} to {last:,} are left out …]"
