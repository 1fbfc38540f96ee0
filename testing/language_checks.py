"""Search for English that was not translated, in what Slack receives for a reader of Chinese."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from contract.language import Language
from scripts.catalogues import read_catalogue

READ_FIELDS: Final = frozenset({"text", "accessibility_label", "alt_text", "status", "title"})
"""Fields whose text people read."""
LATIN_WORDS: Final = re.compile(r"[A-Za-z']+(?:[ ,][A-Za-z']+){2,}")
MANIFEST_NAME: Final = "Ask StarChat about this"
"""Name of the message shortcut, which Slack shows in one language."""
CODE_SPAN: Final = re.compile(r"`[^`]*`")
QUOTED_TYPES: Final = frozenset({"rich_text", "rich_text_preformatted"})
"""Elements with text of people and of the model, which is never translated."""


@cache
def list_english_labels() -> frozenset[str]:
    """Return the phrases whose translation is another text, without placeholders."""
    catalog = read_catalogue(Language.CHINESE)
    return frozenset(
        message.id
        for message in catalog
        if isinstance(message.id, str) and message.id and message.id != message.string
    )


def list_read_texts(payload: Any) -> Iterator[str]:
    """Yield all texts of a payload that people read and that are ours."""
    if isinstance(payload, str) and payload[:1] in {"{", "["}:
        payload = json.loads(payload)
    if isinstance(payload, list):
        for part in payload:
            yield from list_read_texts(part)
    elif isinstance(payload, dict) and payload.get("type") not in QUOTED_TYPES:
        for name, value in payload.items():
            if name in READ_FIELDS and isinstance(value, str):
                yield value
            elif name not in {"metadata", "private_metadata", "value"}:
                yield from list_read_texts(value)


def find_english(payload: Any) -> list[str]:
    """Return the texts of a payload that are English: a known phrase, or three words in a row."""
    return [
        text
        for text in list_read_texts(payload)
        if text in list_english_labels()
        or LATIN_WORDS.search(CODE_SPAN.sub("", text.replace(MANIFEST_NAME, "")))
    ]
