"""Terms of questions: which words are common, and which tell two questions apart."""

import pytest

from bot.asked_before.terms import MAX_CHARACTERS, MAX_DISTINGUISHING, read_terms


def read_distinguishing(text: str) -> set[str]:
    """Return the distinguishing terms of a question; none for one that says too little."""
    terms = read_terms(text)
    return set(terms.distinguishing) if terms else set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Hi all :wave: how do I get rid of duplicates in Python, please?",
            "remov duplicat python",
        ),
        ("PYTHON: Removing duplicates!", "remov duplicat python"),
        ("the queries, classes, boxes and aliases", "query class box alias"),
        ("running, parsing, filling, sorted status", "run pars fill sort status"),
        ("ring the bus is", "ring bus"),
        ("How do I undo `git reset --hard`?", "undo git reset --hard"),
        ("Why doesn't node.js 18.2 use C++ or C#?", "why not node.js 18.2 c++ or c#"),
        ("When should I avoid a global in Go?", "whenever avoid global go"),
        ("what about == and && in js", "== && javascript"),
        ("ﬁlter rows ２", "filter row 2"),
    ],
)
def test_words_are_brought_into_a_common_form(text: str, expected: str) -> None:
    """Synonyms, endings, politeness and capital letters do not count; signs and numbers do."""
    assert read_distinguishing(text) == set(expected.split())


def test_direction_distinguishes() -> None:
    """A target is no infinitive."""
    assert "to csv" in read_distinguishing("convert JSON to a CSV")
    assert "to json" in read_distinguishing("turn a csv into JSON")
    assert "from c" in read_distinguishing("how to call python from C")
    assert not any("to " in term for term in read_distinguishing("how to sort a python list"))
    assert read_distinguishing("migrate postgres to") == {"migrat", "postgresql"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("replace tabs with spaces", "with whitespac"),
        ("what does `sorted` return", "`sorted`"),
        ("can the postgres db trigger a lambda", "subject postgresql"),
        ("what does git rebase do", "purpose-of"),
        ("2 rows of 3 columns", "3 column"),
        ("install numpy < 2", "<"),
        ("a java parser for c", "for c"),
        ("spaces instead of tabs", "than tab"),
        ("sort rows by name, then age", "then age"),
        ("is a tuple faster than a list", "than list"),
        ("a list of sets", "of set"),
        ("find a string in a list", "in list"),
        ("run docker in kubernetes", "in kubernet"),
        ("what is 5 - 3 in bash", "5 - 3"),
        ("when is `a[1] < b[2]` true", "a[1] < b[2]"),
        ("is width < height", "width < height"),
    ],
)
def test_roles_distinguish(text: str, expected: str) -> None:
    """What replaces is not what is replaced, and expressions keep their order."""
    assert expected in read_distinguishing(text)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("sort a list in Python", "in python"),
        ("how do I sort for fun", "for fun"),
        ("hey team, greetings all, how to sort", "all"),
        ("plot a line with matplotlib in python", "with matplotlib"),
        ("a list of names", "of nam"),
        ("Python - how to sort", "python - how"),
        ("either git or ssh / other", "ssh / other"),
        ("compare == or ===", "== or ==="),
        ("the key in it", "in it"),
    ],
)
def test_settings_and_dashes_have_no_role(text: str, term: str) -> None:
    """The only language of a question is named in many ways."""
    assert term not in read_distinguishing(text)


def test_common_words_are_names_in_code_and_in_capitals() -> None:
    """GET is no "get", and `use` is a keyword; a text in capitals alone is just loud."""
    assert "`get`" in read_distinguishing("send a GET request")
    assert "`use`" in read_distinguishing("install `use` on linux")
    assert read_distinguishing("HOW DO I GET A LINUX SHELL") == {"linux", "shell"}


def test_scripts_without_spaces_are_read_by_pairs() -> None:
    """One character says too little, and all words of other languages distinguish."""
    assert {"列表", "python"} <= read_distinguishing("如何在 Python 中排序列表？")
    assert read_distinguishing("Wie sortiere ich eine Liste") == {
        "wie", "sortier", "ich", "eine", "list",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "help",
        "How do I do this in Python?",
        "x " * MAX_CHARACTERS,
        "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 1_000,
        "".join(chr(0x4E00 + number) for number in range(MAX_DISTINGUISHING)),
    ],
)
def test_some_texts_have_no_terms(text: str) -> None:
    """They say too little, or hold pasted text."""
    assert read_terms(text) is None
