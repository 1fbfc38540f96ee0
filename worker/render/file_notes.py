"""Sentences about the files of a thread: what was read of each, and why others were not read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

from worker.render.sanitize import reveal_in_code, sanitize_text

MAX_SHOWN_CHARACTERS: Final = 60
"""A longer name is cut in its middle, so that its extension stays."""
SPACES: Final = re.compile(r"\s+")


class UnreadReason(StrEnum):
    """Why a file was not read."""

    NOT_TEXT = "not_text"
    GONE = "gone"
    OUTSIDE = "outside"
    """Its address is not one of Slack's, so the token was not sent there."""
    DENIED = "denied"
    """Slack refuses this file, or answers with a page to sign in."""
    NO_SCOPE = "no_scope"
    """The app may read no files in this workspace."""
    UNAVAILABLE = "unavailable"
    """Slack did not send it in time."""
    NO_ROOM = "no_room"
    """Question and thread fill the context window."""


SENTENCES: Final = {
    UnreadReason.NOT_TEXT: "I can't read {names}.",
    UnreadReason.GONE: "Slack no longer has {names}.",
    UnreadReason.OUTSIDE: "I didn't open {names}, because it isn't stored in Slack.",
    UnreadReason.DENIED: "Slack didn't let me open {names}.",
    UnreadReason.NO_SCOPE: "I can't read files here: an administrator can allow me `files:read`.",
    UnreadReason.UNAVAILABLE: "Slack didn't send me {names} in time. Please ask again.",
    UnreadReason.NO_ROOM: "There was no room for {names}.",
}


@dataclass(frozen=True, slots=True)
class ReadFile:
    """
    A file in a prompt, with its whole lines at the beginning and at the end.

    `is_cut` is whether the file is longer than the worker reads. `is_shortened` is whether later
    turns have taken some of its room.
    """

    name: str
    head_lines: int
    tail_lines: int
    total_lines: int
    is_whole: bool = False
    is_cut: bool = False
    is_shortened: bool = False


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A file that the prompt only names."""

    name: str
    reason: UnreadReason


def describe_files(
    read: Sequence[ReadFile], unread: Sequence[UnreadFile], left_out: int = 0
) -> str:
    """Return what was read of a thread's files; empty if it has none."""
    sentences = [f"Read {_join_words([_describe_part(file) for file in read])}."] if read else []
    by_reason = sorted(unread, key=lambda file: list(UnreadReason).index(file.reason))
    for reason, files in groupby(by_reason, key=lambda file: file.reason):
        names = _join_words([quote_name(file.name) for file in files])
        sentences.append(SENTENCES[reason].format(names=names))
    if left_out:
        older = "1 older file" if left_out == 1 else f"{left_out:,} older files"
        sentences.append(f"I left out {older}, because I read at most 8 in a thread.")
    return " ".join(sentences)


def quote_name(name: str) -> str:
    """Return a file's name on one line, bounded, without hidden characters and backticks."""
    words = SPACES.sub(" ", sanitize_text(name[: 10 * MAX_SHOWN_CHARACTERS])).strip()
    shown = reveal_in_code(words.replace("`", "'"))
    if len(shown) > MAX_SHOWN_CHARACTERS:
        shown = f"{shown[: MAX_SHOWN_CHARACTERS - 15]}…{shown[-14:]}"
    return f"`{shown or 'file'}`"


def _describe_part(file: ReadFile) -> str:
    name = quote_name(file.name)
    if file.is_shortened or not (file.is_whole or file.head_lines or file.tail_lines):
        return f"a part of {name}"
    if file.is_whole:
        return f"{name} ({_count(file.total_lines)})"
    if file.is_cut:
        return f"the first {_count(file.head_lines)} of {name}, which is longer than 256 KB"
    parts = [
        f"{position} {count:,}"
        for position, count in (("the first", file.head_lines), ("the last", file.tail_lines))
        if count
    ]
    return f"{' and '.join(parts)} of {_count(file.total_lines)} of {name}"


def _count(lines: int) -> str:
    return "1 line" if lines == 1 else f"{lines:,} lines"


def _join_words(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
