"""Word list: literal, as whole words, in both languages, and in time that the text alone bounds."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.settings import SettingsError
from worker.wording.word_list import (
    MAX_ENTRIES,
    MAX_ENTRY_CHARACTERS,
    MAX_FILE_BYTES,
    WordList,
    load_word_list,
    normalize_text,
)

SMALL_TEXTS = st.text(alphabet="ab_ -中", max_size=12)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("ass", "What an ASS!"),
        ("ass", "ass"),
        ("two words", "these are Two\n  words."),
        ("c++ rant", "my C++ rant"),
        (".*", "a .* b"),
        ("straße", "STRASSE"),
        ("坏词", "这里有坏词吗"),
        ("坏词", "a坏词b"),
        ("café", "a cafe\u0301"),
        ("word", "\uff57\uff4f\uff52\uff44"),
        ("word", "wo\u200brd"),
        ("he", "she or he"),
    ],
)
def test_entries_are_found(entry: str, text: str) -> None:
    """Case, width, invisible characters and line ends make no difference."""
    assert WordList(["other", entry]).has_match(text)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("ass", "class assert pass_ass _ass"),
        ("a.b", "axb"),
        ("two words", "two other words"),
        ("he", "she the hen"),
        ("坏词", "坏 词"),
        ("word", ""),
    ],
)
def test_other_texts_are_not(entry: str, text: str) -> None:
    """No pattern, and no part of a word."""
    assert not WordList([entry]).has_match(text)


@given(st.lists(SMALL_TEXTS, max_size=6), SMALL_TEXTS)
def test_automaton_finds_what_a_search_for_each_entry_finds(entries: list[str], text: str) -> None:
    """Entries may overlap, and contain each other."""
    normalized = normalize_text(text)
    expected = any(_has_whole(one, normalized) for one in map(normalize_text, entries) if one)

    assert WordList(entries).has_match(text) is expected


def _has_whole(entry: str, text: str) -> bool:
    """Return whether an entry is in a text with no word across its ends."""
    for found in re.finditer(f"(?={re.escape(entry)})", text):
        start, end = found.start(), found.start() + len(entry)
        joints = (text[start - 1 : start + 1] if start else "", text[end - 1 : end + 1])
        if not any(re.fullmatch(r"[ab_]{2}", joint) for joint in joints):
            return True
    return False


def test_hostile_text_takes_one_pass() -> None:
    """A search for each entry would compare 5,000 times 100 signs at each place."""
    entries = ["a" * length + end for length in range(1, MAX_ENTRY_CHARACTERS) for end in ("", "b")]
    assert not WordList([*entries, *(f"a{n}" for n in range(4_000))]).has_match("a" * 60_000)


def test_file_has_an_entry_a_line(tmp_path: Path) -> None:
    """Comments and empty lines are none; without a path, there is no list."""
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# comment\n\n  bad words \r\n坏词\n", "utf-8")
    found = load_word_list(str(path))

    assert found is not None
    assert (found.size, found.has_match("BAD WORDS"), found.has_match("comment")) == (
        2,
        True,
        False,
    )
    assert load_word_list("") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must name a file of 1 to 5000 words or phrases, not 0"),
        (b"# only\n\n", "must name a file of 1 to 5000 words or phrases, not 0"),
        (b"x\n" * (MAX_ENTRIES + 1), "must name a file of 1 to 5000 words or phrases, not 5001"),
        (b"\xff\xfe", "must name a file in UTF-8"),
        (b"x" * (MAX_FILE_BYTES + 1), f"must name a file of at most {MAX_FILE_BYTES} bytes"),
        (b"ok\n" + b"x" * 101, "line 2 must have at most 100 characters, not 101"),
    ],
)
def test_wrong_file_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    """It names the variable and what is expected, and quotes no entry."""
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"^STARCHAT_WORDS_FILE:? {said}$"):
        load_word_list(str(path))


@pytest.mark.parametrize("path", ["/nowhere/words.txt", "/", "a\0b"])
def test_missing_file_is_one_line(path: str) -> None:
    """A directory is no file either."""
    with pytest.raises(SettingsError, match="must be the path of a readable file, not"):
        load_word_list(path)
