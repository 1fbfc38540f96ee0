"""The plain text beside the blocks: read out and searched, so nothing in it may act."""

from typing import Final

from worker.render.model import TEXT, size

BREAK: Final = "\u2060"
"""A joiner nobody sees or hears; behind it Slack finds no name, address or emoji."""

SIGNS: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "*": "∗",
    "_": "ˍ",
    "~": "∼",
    "`": "ˋ",
}
"""Entities for Slack's own signs; look-alikes for the marks of its formatting."""

ACTIVE: Final = "@#:."
"""What calls a person, a channel, an emoji or an address when something follows at once."""

SPACE: Final = " \t\n"


def plain(text: str) -> str:
    """Return the text so that Slack shows it as it stands, at most `TEXT` long."""
    safe: list[str] = []
    left = TEXT - 1
    before = "\n"
    for place, sign in enumerate(text):
        shown = SIGNS.get(sign, sign)
        if sign == ">" and before == "\n":
            shown = BREAK + shown
        if sign in ACTIVE and text[place + 1 : place + 2].strip(SPACE + ".,;!?)"):
            shown += BREAK
        left -= size(shown)
        if left < 0:
            return "".join(safe).rstrip(ACTIVE + SPACE) + "…"
        safe.append(shown)
        before = sign if not sign.isspace() or sign == "\n" else before
    return "".join(safe)
