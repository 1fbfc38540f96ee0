"""Summary of the current code: its files, for whom each was changed, and what is missing."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.current_code import texts
from bot.current_code.model import CodeChange, CurrentCode, CurrentFile, MissingCode, OutputFile
from contract.language import JoinedPhrases, Translatable
from contract.texts import LIST_COMMA

MAX_SHOWN_CHANGES: Final = 5
"""Changes of a file that are listed, the newest ones."""
MAX_QUESTION_CHARACTERS: Final = 60
MAX_NAME_CHARACTERS: Final = 40
NOTHING_MISSING: Final = MissingCode()
MENTION: Final = re.compile(r"<@([A-Z0-9]{1,64})(?:\|[^<>]{0,80})?>")
FORMATTING: Final = str.maketrans("", "", "*_~`|<>&")
"""Signs that Slack could take for formatting."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question: who asked (a name), and its text. A link to it would show it as a preview."""

    name: str
    text: str


def choose_outputs(code: CurrentCode, max_files: int) -> tuple[OutputFile, ...]:
    """Return what to upload: the first files, then the newest blocks beside them that fit."""
    shown: list[tuple[CurrentFile, tuple[OutputFile, ...]]] = []
    num_free = max_files
    for file in code.files:
        main = file.main_outputs
        if len(main) <= num_free:
            shown.append((file, main))
            num_free -= len(main)
    chosen: list[OutputFile] = []
    for file, main in shown:
        first = max(0, len(file.unclear) - num_free)
        chosen += (*main, *file.unclear[first:])
        num_free -= len(file.unclear) - first
    return tuple(chosen)


def describe_code(
    code: CurrentCode,
    outputs: Sequence[OutputFile],
    questions: Mapping[str, Question],
    missing: MissingCode = NOTHING_MISSING,
) -> Translatable:
    """Return the words above the files: `questions` by their `ts`."""
    shown = [file for file in code.files if any(one in outputs for one in file.outputs)]
    num_left_out = len(code.files) - len(shown)
    num_left_out += sum(one not in outputs for file in shown for one in file.unclear)
    counts = (
        (code.num_unfinished, texts.describe_open_blocks),
        (code.num_others, texts.describe_others),
        (code.num_too_long + num_left_out, texts.describe_left_out),
        (missing.num_unread, texts.describe_unread),
        (missing.num_lost, texts.describe_lost),
        (missing.num_covered, texts.describe_covered),
    )
    lines = [line for file in shown for line in _describe_file(file, outputs, questions)]
    notes = [describe(count) for count, describe in counts if count]
    return JoinedPhrases([texts.HEADING, *lines, *notes])


def describe_request(code: Translatable, user: str) -> Translatable:
    """Return words above files with the user who asked for them, as `find_requester` reads them."""
    return JoinedPhrases([code, texts.REQUESTER_LINE.with_values(user=f"<@{user}>")])


def find_requester(words: str) -> str:
    """Return the user who asked for files, by the words above them; empty if they name none."""
    # Nothing else in them can be a mention.
    found = MENTION.search(words)
    return found[1] if found else ""


def _describe_file(
    file: CurrentFile, outputs: Sequence[OutputFile], questions: Mapping[str, Question]
) -> Iterator[Translatable]:
    changes = list(dict.fromkeys(file.changes))
    people: list[str | Translatable] = [
        _describe_change(change, questions) for change in changes[-MAX_SHOWN_CHANGES:]
    ]
    if len(changes) > MAX_SHOWN_CHANGES:
        people.insert(0, texts.describe_more_changes(len(changes) - MAX_SHOWN_CHANGES))
    yield texts.FILE_LINE.with_values(file=file.name, people=JoinedPhrases(people, LIST_COMMA))
    if file.diff is not None:
        name = file.diff.name.rpartition("/")[2]
        yield texts.DIFF_LINE.with_values(file=name, argument=shlex.quote(name))
    if file.is_masked:
        yield texts.MASKED_LINE
    elif file.is_recoded:
        yield texts.RECODED_LINE
    if file.num_examples:
        yield texts.describe_examples(file.num_examples)
    unclear = [one for one in file.unclear if one in outputs]
    if unclear:
        yield texts.describe_unclear(len(unclear), unclear[0].name)


def _describe_change(change: CodeChange, questions: Mapping[str, Question]) -> Translatable | str:
    question = questions[change.ts]
    name = _clean_words(question.name, MAX_NAME_CHARACTERS)
    text = _clean_words(question.text, MAX_QUESTION_CHARACTERS)
    return texts.PERSON.with_values(name=name, question=text) if text else name


def _clean_words(text: str, max_characters: int) -> str:
    """Return words on one line, without signs that format them or make an address a link."""
    line = "".join(sign if sign.isprintable() else " " for sign in text[: max_characters * 20])
    words = " ".join(line.translate(FORMATTING).replace("://", ":").split())
    return words if len(words) <= max_characters else f"{words[: max_characters - 1]}…"
