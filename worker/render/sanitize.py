"""Sanitizer: removes control characters, shows invisible ones, and escapes Slack's markup."""

import re
from itertools import islice
from typing import Final

from worker.render.model import MAX_FALLBACK_UNITS

INVALID: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
"""Control characters, and code points that are no characters."""
REPLACEMENTS: Final = dict.fromkeys((*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0))) | (
    dict.fromkeys((*range(0xFDD0, 0xFDF0), 0xFFFE, 0xFFFF), "\ufffd")
)
"""Table for `str.translate`, which is faster than a pattern where there are many of them."""

INVISIBLE_IN_PROSE: Final = "\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f"
"""Characters that reorder or break a line invisibly: bidi overrides, line separators, tags."""

INVISIBLE_IN_CODE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that a reader of code cannot see but a compiler does; emoji selectors excluded."""

_EMOJI: Final = "\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_JOINING_SCRIPTS: Final = (
    "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u17b3\u17b6-\u180a\u1810-\u18af\ufb50-\ufdcf"
)
VISIBLE_SEQUENCE: Final = re.compile(
    "[\u180b-\u180d\u180f\u200c\u200d\U000e0030-\U000e01ef]"  # first, so that others cost nothing
    f"(?:(?<=[{_EMOJI}\ufe0f]\u200d)(?=[{_EMOJI}])"
    f"|(?<=[{_JOINING_SCRIPTS}][\u200c\u200d])(?=[{_JOINING_SCRIPTS}])"
    "|(?<=[\u1800-\u18af][\u180b-\u180d\u180f])"
    "|(?<=[\u3400-\u9fff\U00020000-\U0003ffff][\U000e0100-\U000e01ef])"
    "|(?<=\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a])"
    "[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,5}\U000e007f)"
)
"""
Characters that are visible beside their neighbours, and change how these are drawn.

They join emoji, and letters of scripts such as Persian and Hindi. They choose a form of a Mongolian
letter or an ideograph, or spell the region of a flag.
"""

MAX_VISIBLE_SEQUENCES: Final = 5_000
"""Sequences that are looked up in one text; further ones are shown as code points."""

MAX_PIECE: Final = 8_192
"""Characters that are searched at once, up to the next white space: about 2 ms."""
WHITE_SPACE: Final = re.compile(r"[ \t\n]")

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
    return text.translate(REPLACEMENTS) if INVALID.search(text) else text


def reveal_in_prose(text: str) -> str:
    """Show characters that would reorder or break a line as `⟨U+…⟩`."""
    return _PROSE_REVEALER.reveal(text)


def reveal_in_code(text: str) -> str:
    """Show every character that is invisible in code as `⟨U+…⟩`."""
    return _CODE_REVEALER.reveal(text)


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


class _Revealer:
    """Shows the characters of one class, except where they are visible beside their neighbours."""

    def __init__(self, characters: str) -> None:
        """`characters` is the content of a character class: single ones, and ranges."""
        self._invisible = re.compile(f"[{characters}]")
        # `str.translate` is ten times as fast as a pattern with a function.
        self._shown = {
            code: f"⟨U+{code:04X}⟩"
            for first, last in re.findall("(.)(?:-(.))?", characters, re.DOTALL)
            for code in range(ord(first), ord(last or first) + 1)
        }

    def reveal(self, text: str) -> str:
        """Return the text with its invisible characters as `⟨U+…⟩`."""
        if text.isascii() or not self._invisible.search(text):
            return text
        shown, begin, remaining = [], 0, MAX_VISIBLE_SEQUENCES
        # In pieces, because no other thread runs during a search or a translation.
        while begin < len(text):
            space = WHITE_SPACE.search(text, begin + MAX_PIECE, begin + 2 * MAX_PIECE)
            end = space.end() if space else begin + 2 * MAX_PIECE
            start = begin
            for sequence in islice(VISIBLE_SEQUENCE.finditer(text, begin, end), remaining):
                shown += [text[start : sequence.start()].translate(self._shown), sequence[0]]
                start = sequence.end()
                remaining -= 1
            shown.append(text[start:end].translate(self._shown))
            begin = end
        return "".join(shown)


_PROSE_REVEALER: Final = _Revealer(INVISIBLE_IN_PROSE)
_CODE_REVEALER: Final = _Revealer(INVISIBLE_IN_CODE)
