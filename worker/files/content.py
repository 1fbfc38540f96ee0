"""Content of a downloaded file: text in UTF-8 or UTF-16, a sign-in page, or neither. Pure."""

import codecs
import re
from typing import Final

from contract.attached_files import MAX_TEXT_CHARACTERS, FileReference
from contract.masking import drop_last_word, mask_secrets

BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Mark at the beginning of a text, and its encoding. A text without one is UTF-8."""
MAGIC_NUMBERS: Final = (
    *(b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"\x89PNG", b"GIF87a", b"GIF89a", b"\xff\xd8\xff"),
    *(b"\x7fELF", b"7z\xbc\xaf", b"\xfd7zXZ", b"ID3\2", b"ID3\3", b"ID3\4", b"{\\rtf1"),
    *(b"BZh%d1AY&SY" % level for level in range(1, 10)),
)
"""
Beginnings of common binary files, some of which are otherwise text for a while.

None is a word that a text may begin with, such as ID3.
"""
CONTROL_CHARACTERS: Final = re.compile("[\x01-\x07\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
"""Control characters besides white space, backspace and the escape of terminal colors."""
MAX_CONTROL_SHARE: Final = 0.01
"""A text with more control characters than this is a binary file that happens to decode."""
HTML_BEGINNING: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+<(?:!doctype\s++html|html)\b", re.IGNORECASE
)
HTML_NAMES: Final = re.compile(r"\.(x?html?|xht)$", re.IGNORECASE)
LOG_NAMES: Final = re.compile(r"\.(log|out|err|trace|txt|stdout|stderr)(\.\d+)?$", re.IGNORECASE)
PROSE_FILETYPES: Final = frozenset({"auto", "log", "text", "txt"})
"""Slack's types of files that are in no language."""


def is_binary_start(content: bytes) -> bool:
    """Return whether the first bytes of a file show that it is no text."""
    if content.startswith(MAGIC_NUMBERS):
        return True
    return b"\0" in content and not _find_encoding(content)[0]


def decode_content(content: bytes, *, is_cut: bool) -> str | None:
    """Return the text of a file without its byte order mark; `None` if it is no text."""
    if is_binary_start(content):
        return None
    mark, encoding = _find_encoding(content)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        # The last character of a file that was cut may be incomplete.
        text = decoder.decode(content[len(mark) :], not is_cut)
    except UnicodeDecodeError:
        return None
    if "\0" in text or len(CONTROL_CHARACTERS.findall(text)) > MAX_CONTROL_SHARE * len(text):
        return None
    return text


def has_byte_order_mark(content: bytes) -> bool:
    """Return whether a text begins with a mark, which `decode_content` leaves out."""
    return bool(_find_encoding(content)[0])


def read_text(content: bytes, *, is_cut: bool) -> tuple[str | None, bool]:
    """
    Return the text of a file with its secrets masked, or `None`, and whether it was cut.

    Masks may be longer than the secrets: the text has at most `MAX_TEXT_CHARACTERS`.
    """
    text = decode_content(content, is_cut=is_cut)
    if text is None:
        return None, is_cut
    # A part of a secret would not be masked.
    masked = mask_secrets(drop_last_word(text) if is_cut else text)
    return masked[:MAX_TEXT_CHARACTERS], is_cut or len(masked) > MAX_TEXT_CHARACTERS


def is_sign_in_page(
    content: bytes, content_type: str, reference: FileReference, *, is_redirected: bool
) -> bool:
    """Return whether Slack has sent a page to sign in instead of the file."""
    is_page = content_type.startswith("text/html") and HTML_BEGINNING.match(content) is not None
    return is_page and (is_redirected or not _is_html(reference))


def shows_end(reference: FileReference) -> bool:
    """Return whether the end of a file matters as much as its beginning, as in a log."""
    return reference.filetype in PROSE_FILETYPES or LOG_NAMES.search(reference.name) is not None


def _is_html(reference: FileReference) -> bool:
    is_declared = "html" in {reference.filetype, reference.mimetype.rpartition("/")[2]}
    return is_declared or HTML_NAMES.search(reference.name) is not None


def _find_encoding(content: bytes) -> tuple[bytes, str]:
    """Return the byte order mark of a text, empty if it has none, and its encoding."""
    found = (entry for entry in BYTE_ORDER_MARKS if content.startswith(entry[0]))
    return next(found, (b"", "utf-8"))
