"""Sentences about the files of a thread: what was read of each, and why others were not read."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

from contract.language import JoinedPhrases, Phrase, PluralPhrase, Translatable
from contract.texts import LIST_COMMA, join_sentences
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
    UnreadReason.NOT_TEXT: Phrase("I can't read {names}."),
    UnreadReason.GONE: Phrase("Slack no longer has {names}."),
    UnreadReason.OUTSIDE: Phrase("I didn't open {names}, because it isn't stored in Slack."),
    UnreadReason.DENIED: Phrase("Slack didn't let me open {names}."),
    UnreadReason.NO_SCOPE: Phrase(
        "I can't read files here: an administrator can allow me `files:read`."
    ),
    UnreadReason.UNAVAILABLE: Phrase("Slack didn't send me {names} in time. Please ask again."),
    UnreadReason.NO_ROOM: Phrase("There was no room for {names}."),
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
) -> Translatable:
    """Return what was read of a thread's files; empty if it has none."""
    sentences: list[Translatable] = []
    if read:
        sentences.append(Phrase("Read {files}.", files=_join_words(map(_describe_part, read))))
    by_reason = sorted(unread, key=lambda file: list(UnreadReason).index(file.reason))
    for reason, files in groupby(by_reason, key=lambda file: file.reason):
        names = _join_words(quote_name(file.name) for file in files)
        sentences.append(SENTENCES[reason].with_values(names=names))
    if left_out:
        sentences.append(
            PluralPhrase(
                "I left out {count} older file, because I read at most 8 in a thread.",
                "I left out {count:,} older files, because I read at most 8 in a thread.",
                left_out,
            )
        )
    return join_sentences(*sentences) if sentences else JoinedPhrases(())


def quote_name(name: str) -> str:
    """Return a file's name on one line, bounded, without hidden characters and backticks."""
    words = SPACES.sub(" ", sanitize_text(name[: 10 * MAX_SHOWN_CHARACTERS])).strip()
    shown = reveal_in_code(words.replace("`", "'"))
    if len(shown) > MAX_SHOWN_CHARACTERS:
        shown = f"{shown[: MAX_SHOWN_CHARACTERS - 15]}…{shown[-14:]}"
    return f"`{shown or 'file'}`"


def _describe_part(file: ReadFile) -> Translatable:
    name = quote_name(file.name)
    if file.is_shortened or not (file.is_whole or file.head_lines or file.tail_lines):
        return Phrase("a part of {name}", name=name)
    if file.is_whole:
        return PluralPhrase(
            "{name} ({count} line)", "{name} ({count:,} lines)", file.total_lines, name=name
        )
    if file.is_cut:
        return PluralPhrase(
            "the first line of {name}, which is longer than 256 KB",
            "the first {count:,} lines of {name}, which is longer than 256 KB",
            file.head_lines,
            name=name,
        )
    return _describe_ends(file, name)


def _describe_ends(file: ReadFile, name: str) -> Translatable:
    if not file.tail_lines:
        return Phrase(
            "the first {head:,} of {total:,} lines of {name}",
            head=file.head_lines,
            total=file.total_lines,
            name=name,
        )
    if not file.head_lines:
        return Phrase(
            "the last {tail:,} of {total:,} lines of {name}",
            tail=file.tail_lines,
            total=file.total_lines,
            name=name,
        )
    return Phrase(
        "the first {head:,} and the last {tail:,} of {total:,} lines of {name}",
        head=file.head_lines,
        tail=file.tail_lines,
        total=file.total_lines,
        name=name,
    )


def _join_words(words: Iterable[Translatable | str]) -> Translatable | str:
    *first, last = words
    if not first:
        return last
    return Phrase("{words} and {last}", words=JoinedPhrases(first, LIST_COMMA), last=last)
