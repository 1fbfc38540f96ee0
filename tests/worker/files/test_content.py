"""Content of files: text in its encodings, sign-in pages and binary data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.attached_files import MAX_TEXT_CHARACTERS, FileReference
from testing.secret_samples import SampleMaker
from worker.files.content import (
    decode_content,
    has_byte_order_mark,
    is_binary_start,
    is_sign_in_page,
    read_text,
    shows_end,
)

TEXT = "a = '€'\r\nb\t= 2\n"
PAGE = b"\n <!DOCTYPE html><html>"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        b"\xff\xfe" + TEXT.encode("utf-16-le"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16-le", "utf-16-be"],
)
def test_text_is_decoded_without_its_mark(content: bytes) -> None:
    """Nothing else changes: line ends stay as they are."""
    assert decode_content(content, is_cut=False) == TEXT


@pytest.mark.parametrize(
    "word", ["ID3", "RIFF", "BZh", "BZh9", "OggS", "GIF8", "SQLite format 3", "{\\rtf"]
)
def test_text_may_begin_with_the_name_of_a_format(word: str) -> None:
    """A file is binary by more than the letters that its format begins with."""
    text = f"{word} is a name.\n"

    assert decode_content(text.encode(), is_cut=False) == text


def test_byte_order_mark_is_told() -> None:
    """A difference without it would not apply to the file."""
    for encoding, mark in (("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe")):
        assert has_byte_order_mark(mark + TEXT.encode(encoding))
    assert not has_byte_order_mark(TEXT.encode())
    assert not has_byte_order_mark(b"")


def test_secrets_of_a_file_are_masked() -> None:
    """Before the cache and the prompt see its text; a text that grows by that is cut."""
    secret = SampleMaker().draw_secret("AK~IA[U16]")
    passwords = b'password="Sup3r!pw1" ' * (MAX_TEXT_CHARACTERS // 21)

    assert read_text(f"id = '{secret}'\n".encode(), is_cut=False) == (
        "id = '<secret:aws-key:1>'\n",
        False,
    )
    text, is_cut = read_text(passwords, is_cut=False)
    assert text is not None
    assert (len(text), is_cut, b"Sup3r" in text.encode()) == (MAX_TEXT_CHARACTERS, True, False)
    assert read_text(b"\0", is_cut=True) == (None, True)
    assert read_text(f"id = '{secret[:12]}".encode(), is_cut=True) == ("id = ", True)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_is_exact_or_refused(text: str) -> None:
    """No character is replaced."""
    assert decode_content(b"\xef\xbb\xbf" + text.encode(), is_cut=False) in {text, None}


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n", b"PK\x03\x04rest", b"\x1f\x8b\x08", b"GIF89a",
        b"\x7fELF\x02", b"ID3\x04title", b"BZh91AY&SYrest", b"RIFF\x10\0\0\0WAVE", b"OggS\0\x02",
        b"SQLite format 3\0",
        b"text\0text", b"\xff\xfe\x00\x00a\0\0\0", b"caf\xe9\n", b"\x01\x02\x03\x04", b"{\\rtf1",
        b"\xff\xfea",
    ],
    ids=repr,
)  # fmt: skip
def test_binary_data_is_no_text(content: bytes) -> None:
    """By its beginning, NUL bytes, control characters, or an encoding that fails."""
    assert decode_content(content, is_cut=False) is None


def test_first_bytes_end_a_download() -> None:
    """A picture is recognized before it is downloaded; UTF-16 has NUL bytes, too."""
    assert is_binary_start(b"\x89PNG\r\n")
    assert is_binary_start(b"a\0")
    assert not is_binary_start(b"\xff\xfea\0")
    assert not is_binary_start(b"")


def test_colors_and_form_feeds_are_text() -> None:
    """Logs of terminals have escapes."""
    log = "\x1b[31mfailed\x1b[0m\f\n"
    assert decode_content(log.encode(), is_cut=False) == log


def test_cut_file_may_end_inside_a_character() -> None:
    """The incomplete character is left out; in a whole file it is an error."""
    content = "ab€".encode()[:-1]
    assert decode_content(content, is_cut=True) == "ab"
    assert decode_content(content, is_cut=False) is None
    assert decode_content(b"", is_cut=False) == ""


@pytest.mark.parametrize(
    ("name", "content_type", "content", "is_redirected", "expected"),
    [
        ("app.py", "text/html", PAGE, False, True),
        ("app.py", "text/html", PAGE, True, True),
        ("app.py", "text/plain", PAGE, False, False),
        ("app.py", "text/html", b"x = 1", False, False),
        ("page.html", "text/html", PAGE, False, False),
        ("page.HTM", "text/html", b"\xef\xbb\xbf<html lang=en>", False, False),
        ("page.html", "text/html", PAGE, True, True),
    ],
)
def test_sign_in_page_is_recognized(
    *, name: str, content_type: str, content: bytes, is_redirected: bool, expected: bool
) -> None:
    """HTML where none was expected, or after a redirect."""
    reference = FileReference(id="F1", name=name)
    found = is_sign_in_page(content, content_type, reference, is_redirected=is_redirected)
    assert found is expected


def test_declared_html_is_expected() -> None:
    """Slack's own types count as well as the name."""
    for reference in (
        FileReference(id="F1", filetype="html"),
        FileReference(id="F1", mimetype="text/html"),
    ):
        assert not is_sign_in_page(PAGE, "text/html", reference, is_redirected=False)


@pytest.mark.parametrize(
    ("name", "filetype", "expected"),
    [
        ("build.log", "text", True), ("out.txt", "text", True), ("syslog.1", "text", True),
        ("build.log.2", "text", True), ("Untitled", "text", True), ("a.conf", "", False),
        ("main.py", "python", False),
        ("Dockerfile", "dockerfile", False), ("notes.md", "markdown", False),
    ],
)  # fmt: skip
def test_end_of_logs_is_shown(name: str, filetype: str, *, expected: bool) -> None:
    """Code is read from its beginning."""
    assert shows_end(FileReference(id="F1", name=name, filetype=filetype)) is expected
