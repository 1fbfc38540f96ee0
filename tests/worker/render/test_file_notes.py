"""Sentences about files: what was read of each, and why others were not."""

import pytest

from worker.render import ReplyFacts, compose_final
from worker.render.compose import compose_plain
from worker.render.file_notes import (
    MAX_SHOWN_CHARACTERS,
    ReadFile,
    UnreadFile,
    UnreadReason,
    describe_files,
    quote_name,
)


def test_reader_sees_which_part_was_read() -> None:
    """The whole file, its end, or what cannot be read."""
    app = ReadFile("app.py", 212, 0, 212, is_whole=True)
    log = ReadFile("build.log", 0, 300, 4_000)

    note = describe_files([app, log], [UnreadFile("shot.png", UnreadReason.NOT_TEXT)])
    assert str(note) == (
        "Read `app.py` (212 lines) and the last 300 of 4,000 lines of `build.log`. "
        "I can't read `shot.png`."
    )


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (ReadFile("a", 1, 0, 1, is_whole=True), "`a` (1 line)"),
        (ReadFile("a", 0, 0, 0, is_whole=True), "`a` (0 lines)"),
        (ReadFile("a", 40, 0, 900), "the first 40 of 900 lines of `a`"),
        (ReadFile("a", 40, 300, 4_000), "the first 40 and the last 300 of 4,000 lines of `a`"),
        (ReadFile("a", 0, 0, 1), "a part of `a`"),
        (ReadFile("a", 9, 0, 9, is_whole=True, is_shortened=True), "a part of `a`"),
        (
            ReadFile("a", 120, 0, 9_000, is_cut=True),
            "the first 120 lines of `a`, which is longer than 256 KB",
        ),
    ],
)
def test_each_part_has_its_words(file: ReadFile, expected: str) -> None:
    """Lines are counted, and a part of a line is called a part."""
    assert str(describe_files([file], [])) == f"Read {expected}."


def test_each_reason_has_one_sentence() -> None:
    """Files of one reason share it; a missing permission names none."""
    unread = [UnreadFile(f"{reason}-{n}", reason) for n in (1, 2, 3) for reason in UnreadReason]
    text = str(describe_files([], unread, left_out=1))

    assert text.count("`gone-1`, `gone-2` and `gone-3`") == 1
    assert text.count("files:read") == 1
    assert "no_scope" not in text
    assert text.endswith("I left out 1 older file, because I read at most 8 in a thread.")
    assert str(describe_files([], [])) == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("app.py", "`app.py`"),
        ("a\nb\t c.py", "`a b c.py`"),
        ("`<!channel>`*x*", "`'<!channel>'*x*`"),
        ("gnp\u202eexe.py", "`gnp⟨U+202E⟩exe.py`"),
        ("\x00\x07", "`file`"),
        ("", "`file`"),
    ],
)
def test_hostile_name_is_one_quoted_line(name: str, shown: str) -> None:
    """Markup, line ends and characters that reorder a line."""
    assert quote_name(name) == shown


def test_long_name_keeps_its_ends() -> None:
    """A name of 10,000 characters is shown with its extension."""
    shown = quote_name("n" * 500 + ".py" + "m" * 10_000)
    assert len(shown) == MAX_SHOWN_CHARACTERS + 2
    assert quote_name("n" * 100 + ".tar.gz").endswith("n.tar.gz`")


@pytest.mark.parametrize("compose", [compose_final, compose_plain])
def test_reply_tells_it_below_its_text(compose: object) -> None:
    """The note is a separate block, as plain text."""
    facts = ReplyFacts("m", "stop", 9, file_note="Read `a.py` (1 line).")
    first, *_ = compose("Hi.", facts=facts)  # type: ignore[operator]
    notes = [e["text"] for b in first.blocks if b["type"] == "context" for e in b["elements"]]

    assert "Read `a.py` (1 line)." in notes
