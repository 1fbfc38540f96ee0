"""Stages of the preparation: lines, duplicates, phrases, splits and languages."""

import hashlib
from pathlib import Path

import pytest

from finetune.errors import FinetuneError
from finetune.prepare import deduplication, lines
from finetune.prepare.deduplication import DuplicateFinder, Novelty
from finetune.prepare.languages import guess_language, list_code_languages
from finetune.prepare.lines import read_lines
from finetune.prepare.phrases import BOILERPLATE_FILE, PhraseFinder, parse_phrases
from finetune.prepare.report import list_percentiles
from finetune.prepare.splits import choose_split


def test_lines_are_numbered_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long line is skipped as one, blank lines are no lines, and numbers count all of them."""
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 8)
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"one\n\n" + b"x" * 30 + b"\n1234567\nend")

    digest = hashlib.sha256()
    found = list(read_lines(file, digest))

    assert found == [(1, b"one\n"), (3, None), (4, b"1234567\n"), (5, b"end")]
    assert digest.digest() == hashlib.sha256(file.read_bytes()).digest()


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The message is one line."""
    with pytest.raises(FinetuneError, match=r"x.jsonl cannot be read: No such file"):
        list(read_lines(tmp_path / "x.jsonl", hashlib.sha256()))


def test_duplicates_are_found() -> None:
    """White space makes no difference; a changed word in a long text is a near-duplicate."""
    finder = DuplicateFinder()
    words = [f"word{number}" for number in range(60)]

    assert finder.add_text(" ".join(words)) is Novelty.NEW
    assert finder.add_text("\n".join(words)) is Novelty.EXACT
    assert finder.add_text(" ".join([*words[:30], "other", *words[31:]])) is Novelty.NEAR
    assert finder.add_text("Something else altogether, if you ask me") is Novelty.NEW


def test_texts_of_a_band_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hostile texts that share a band are compared with a few of them alone."""
    monkeypatch.setattr(deduplication, "MAX_TEXTS_PER_BAND", 1)
    monkeypatch.setattr(deduplication, "list_bands", lambda _: [b"same"])
    finder = DuplicateFinder()

    texts = [f"{word} is a text without any like" for word in ("one", "two", "three")]
    assert [finder.add_text(text) for text in texts] == [Novelty.NEW] * 3
    assert {len(bucket) for bucket in finder._bands.values()} == {1}


def test_phrases_are_found_in_any_spelling() -> None:
    """Case, line breaks and curly apostrophes make no difference; parts of words do not count."""
    finder = PhraseFinder(parse_phrases("# comment\n\nI can't assist\nas an ai\n"))

    assert finder.find_phrase(["Fine.", "Sorry, I\ncan\u2019t  ASSIST."]) == "i can't assist"
    assert finder.find_phrase(["has an air of it"]) is None
    assert PhraseFinder(()).find_phrase(["as an ai"]) is None


def test_boilerplate_of_the_repository_is_a_phrase_list() -> None:
    """It finds refusals and self-descriptions, and no plain answer."""
    finder = PhraseFinder(parse_phrases(BOILERPLATE_FILE.read_text("utf-8")))

    assert finder.find_phrase(["As an AI language model, I run nothing."])
    assert finder.find_phrase(["I'm sorry, but I can't do that."])
    assert finder.find_phrase(["You cannot assign to a constant; use `let`."]) is None


def test_split_depends_on_the_thread_alone() -> None:
    """About the wanted share is for validation, and a larger share keeps those threads there."""
    threads = [f"thread {number}" for number in range(2_000)]
    few = {thread for thread in threads if choose_split(thread, 0.05) == "validation"}
    more = {thread for thread in threads if choose_split(thread, 0.2) == "validation"}

    assert 60 < len(few) < 140
    assert few < more
    assert not [thread for thread in threads if choose_split(thread, 0.0) == "validation"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I reverse a list in Python without a loop?", "en"),
        ("如何在不使用循环的情况下反转一个列表并返回结果？", "zh"),
        ("```python\nfor index in range(10):\n    print(index)\n```", "unknown"),
    ],
)
def test_language_is_guessed_from_prose(text: str, language: str) -> None:
    """Code has no language of people."""
    assert guess_language(text) == language


def test_code_languages_are_the_labels_of_blocks() -> None:
    """A block without a label has none."""
    text = "a ```Python\nx\n``` b ```\ny\n``` c ```c++\nz\n```"

    assert list(list_code_languages(text)) == ["python", "c++"]


def test_percentiles_of_nothing_are_zeros() -> None:
    """An empty split has a line in the card too."""
    assert list_percentiles([]) == [0] * 5
    assert list_percentiles([*range(1, 101)]) == [1, 50, 90, 99, 100]
