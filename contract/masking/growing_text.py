"""Text that still grows: masked, without an end that may be the beginning of a secret."""

import re
from typing import Final

from contract.masking.masker import mask_secrets

MAX_HELD_CHARACTERS: Final = 512
"""Longest end that is held back: by then a secret of a known form is recognized."""
MAX_CONTEXT_CHARACTERS: Final = 80
WORD_SIGNS: Final = "".join(map(chr, range(0x21, 0x7F)))
"""All visible characters of ASCII."""
PLAIN_WORD: Final = re.compile(r"[A-Z]?[a-z]{0,20}[.,;!?)]{0,2}")
INTRODUCTION: Final = re.compile(
    r"(?:[:=]|：|是|为|--[\w-]{1,40}|bearer|basic|token)\s{0,20}$", re.IGNORECASE
)
"""Words behind which even a plain word may be the beginning of a secret."""


def mask_growing(text: str) -> str:
    """Return a text that may become longer, masked; only a plain word is shown at its end."""
    tail = text[-MAX_HELD_CHARACTERS:]
    before = tail.rstrip(WORD_SIGNS)
    word = tail[len(before) :]
    is_plain = PLAIN_WORD.fullmatch(word) is not None
    if word and not (is_plain and INTRODUCTION.search(before[-MAX_CONTEXT_CHARACTERS:]) is None):
        text = text[: -len(word)]
    return mask_secrets(text)
