"""Removes control characters from generated text and makes hidden signs visible."""

import re
from typing import Final

END_MARKS: Final = ("<|end|>", "<|endoftext|>")
"""The model's own end marks, where it wrote them as text."""

CONTROL_CHARACTERS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NONCHARACTERS: Final = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")

INVISIBLE_IN_PROSE: Final = re.compile("[\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
"""What turns or breaks a line of prose unseen: bidi overrides, line separators, tags."""

INVISIBLE_IN_CODE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What a reader of code cannot see although a compiler does; not emoji's own selectors."""


def sanitize_text(text: str) -> str:
    """Return the text with plain line ends, without control characters or broken characters."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _strip_end_marks(NONCHARACTERS.sub("\ufffd", CONTROL_CHARACTERS.sub("", text)))


def reveal_in_prose(text: str) -> str:
    """Make visible what would turn or break a line."""
    return INVISIBLE_IN_PROSE.sub(_show_code_point, text)


def reveal_in_code(text: str) -> str:
    """Make visible every sign that would hide in code."""
    return INVISIBLE_IN_CODE.sub(_show_code_point, text)


def _strip_end_marks(text: str) -> str:
    stripped = text.rstrip()
    while stripped.endswith(END_MARKS):
        stripped = text = stripped[: stripped.rindex("<")].rstrip()
    return text


def _show_code_point(character: re.Match[str]) -> str:
    return f"⟨U+{ord(character.group()):04X}⟩"
