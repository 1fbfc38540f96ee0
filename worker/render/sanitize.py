"""Sanitizer: removes control characters, shows invisible ones, and escapes Slack's markup."""

import re
from functools import lru_cache
from typing import Final

from worker.render.model import MAX_FALLBACK_UNITS

CONTROL_CHARACTERS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NONCHARACTERS: Final = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")

INVISIBLE_IN_PROSE: Final = re.compile("[\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
"""Characters that reorder or break a line invisibly: bidi overrides, line separators, tags."""

INVISIBLE_IN_CODE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that a reader of code cannot see but a compiler does; emoji selectors excluded."""

_EMOJI: Final = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_JOINING_SCRIPTS: Final = (
    "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u180a\u1810-\u18af\ufb50-\ufdcf"
)
VISIBLE_SEQUENCE: Final = re.compile(
    f"(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])"
    f"|(?<=[{_JOINING_SCRIPTS}])[\u200c\u200d](?=[{_JOINING_SCRIPTS}])"
    "|(?<=[\u1800-\u18af])[\u180b-\u180d\u180f]"
    "|(?<=[\u3400-\u9fff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]"
    "|(?<=\U0001f3f4)[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f"
)
"""
Characters that are visible beside their neighbours, and change how these are drawn.

They join emoji, and letters of scripts such as Persian and Hindi. They choose a form of a Mongolian
letter or an ideograph, or spell the region of a flag.
"""

WORD_JOINER: Final = "\u2060"
"""Invisible and silent; after it Slack recognizes no name, address or emoji."""

ESCAPES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "*": "∗",
    "_": "ˍ",
    "~": "∼",
    "`": "ˋ",
}
"""Entities for Slack's control characters; look-alikes for its formatting marks."""

TRIGGER_CHARACTERS: Final = "@#:."
"""Characters that start a mention, channel, emoji or address if text follows directly."""

WHITESPACE: Final = " \t\n"

LAST_BASIC_CHARACTER: Final = "\uffff"
"""Every character after it takes two UTF-16 units."""


def sanitize_text(text: str) -> str:
    """Normalize line ends, remove control characters, and replace invalid characters."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return NONCHARACTERS.sub("\ufffd", CONTROL_CHARACTERS.sub("", text))


def reveal_in_prose(text: str) -> str:
    """Show characters that would reorder or break a line as `⟨U+…⟩`."""
    return text if text.isascii() else _reveal(INVISIBLE_IN_PROSE, text)


def reveal_in_code(text: str) -> str:
    """Show every character that is invisible in code as `⟨U+…⟩`."""
    return text if text.isascii() else _reveal(INVISIBLE_IN_CODE, text)


def escape_fallback(text: str) -> str:
    """Return the text so that Slack shows it literally, at most `MAX_FALLBACK_UNITS` long."""
    escaped: list[str] = []
    remaining = MAX_FALLBACK_UNITS - 1
    previous = "\n"
    for index, character in enumerate(text):
        shown = ESCAPES.get(character, character)
        if character == ">" and previous == "\n":
            shown = WORD_JOINER + shown
        if character in TRIGGER_CHARACTERS and text[index + 1 : index + 2].strip(
            WHITESPACE + ".,;!?)"
        ):
            shown += WORD_JOINER
        remaining -= len(shown) + (character > LAST_BASIC_CHARACTER)
        if remaining < 0:
            return "".join(escaped).rstrip(TRIGGER_CHARACTERS + WHITESPACE) + "…"
        escaped.append(shown)
        previous = character if not character.isspace() or character == "\n" else previous
    return "".join(escaped)


def _reveal(invisible: re.Pattern[str], text: str) -> str:
    if not invisible.search(text):
        return text
    shown, start = [], 0
    for sequence in VISIBLE_SEQUENCE.finditer(text):
        shown += [invisible.sub(_show_code_point, text[start : sequence.start()]), sequence[0]]
        start = sequence.end()
    return "".join(shown) + invisible.sub(_show_code_point, text[start:])


@lru_cache(maxsize=4_096)
def _format_code_point(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _show_code_point(character: re.Match[str]) -> str:
    return _format_code_point(character[0])
