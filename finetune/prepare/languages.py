"""Languages of dialogues: of the prose by a small classifier, of the code by its fences."""

import re
from collections.abc import Iterator
from typing import Final

import py3langid

FENCE: Final = "```"
FENCE_LABEL: Final = re.compile(r"[\w+#.-]{1,30}")
MAX_CLASSIFIED_CHARACTERS: Final = 4_000
MIN_LETTERS: Final = 12
"""Letters below which a guess of the language says nothing."""


def guess_language(text: str) -> str:
    """Return the ISO 639-1 code of the prose of a text, or `unknown` if there is little of it."""
    prose = " ".join(text.split(FENCE)[::2])[:MAX_CLASSIFIED_CHARACTERS]
    if sum(map(str.isalpha, prose)) < MIN_LETTERS:
        return "unknown"
    language, _ = py3langid.classify(prose)
    return str(language)


def list_code_languages(text: str) -> Iterator[str]:
    """Yield the label of each code block that has one."""
    for block in text.split(FENCE)[1::2]:
        label = FENCE_LABEL.match(block)
        if label:
            yield label.group().casefold()
