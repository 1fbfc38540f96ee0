"""The plain text beside the blocks: read out and searched, so nothing in it may act."""

from typing import Final

from worker.render.model import MAX_FALLBACK_UNITS, utf16_length

WORD_JOINER: Final = "\u2060"
"""A joiner nobody sees or hears; behind it Slack finds no name, address or emoji."""

ESCAPES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "*": "∗",
    "_": "ˍ",
    "~": "∼",
    "`": "ˋ",
}
"""Entities for Slack's own signs; look-alikes for the marks of its formatting."""

TRIGGER_CHARACTERS: Final = "@#:."
"""What calls a person, a channel, an emoji or an address when something follows at once."""

WHITESPACE: Final = " \t\n"


def escape_fallback(text: str) -> str:
    """Return the text so that Slack shows it as it stands, at most `TEXT` long."""
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
        remaining -= utf16_length(shown)
        if remaining < 0:
            return "".join(escaped).rstrip(TRIGGER_CHARACTERS + WHITESPACE) + "…"
        escaped.append(shown)
        previous = character if not character.isspace() or character == "\n" else previous
    return "".join(escaped)
