"""Pointer to an earlier answer: one sentence in place of a reply, with a date and a link."""

import re
from datetime import UTC, datetime
from typing import Final

from contract.earlier_answer import EarlierAnswer
from contract.language import Language, Phrase, PluralPhrase, Translatable
from worker.render.model import Json, Message
from worker.render.sanitize import escape_fallback, reveal_in_prose, sanitize_text

ANY_COLLEAGUE: Final = Phrase("A colleague")
EARLIER_ANSWER_LINK: Final = Phrase("see that answer")
NAME_MARK, DATE_MARK, LINK_MARK = "\ue000", "\ue001", "\ue002"
"""Characters in place of what the sentence names: no translation has them."""
MARKS: Final = re.compile(f"([{NAME_MARK}{DATE_MARK}{LINK_MARK}])")
DATE_FORMAT: Final = "{date}"
"""Slack's format for a day, which each reader sees in their own time zone."""


def compose_pointer(earlier: EarlierAnswer, language: Language) -> Message:
    """Return the message that points to an earlier answer; the name in it is literal text."""
    shown = reveal_in_prose(" ".join(sanitize_text(earlier.author_name).split()))
    name = shown or ANY_COLLEAGUE.translate(language)
    day = datetime.fromtimestamp(earlier.asked_at, UTC).date().isoformat()
    link = EARLIER_ANSWER_LINK.translate(language)
    elements: dict[str, Json] = {
        NAME_MARK: {"type": "text", "text": name},
        DATE_MARK: {
            "type": "date",
            "timestamp": earlier.asked_at,
            "format": DATE_FORMAT,
            "fallback": day,
        },
        LINK_MARK: {"type": "link", "url": earlier.permalink, "text": link},
    }
    pieces = MARKS.split(_describe(NAME_MARK, DATE_MARK, LINK_MARK, earlier).translate(language))
    section = {
        "type": "rich_text_section",
        "elements": [
            elements.get(piece, {"type": "text", "text": piece}) for piece in pieces if piece
        ],
    }
    text = _describe(name, day, link, earlier).translate(language)
    return Message(escape_fallback(text), [{"type": "rich_text", "elements": [section]}])


def _describe(name: str, date: str, link: str, earlier: EarlierAnswer) -> Translatable:
    return PluralPhrase(
        "{name} asked much the same on {date}; {count} colleague marked the answer ✓ → {link}. "
        "Answer anyway?",
        "{name} asked much the same on {date}; {count} colleagues marked the answer ✓ → {link}. "
        "Answer anyway?",
        earlier.num_ran,
        name=name,
        date=date,
        link=link,
    )
