"""Text that grows or was cut: without an end that may be the beginning of a secret."""

import re
from typing import Final

from contract.masking.masker import mask_secrets

MAX_HELD_CHARACTERS: Final = 512
"""Longest end that is held back: by then a secret of a known form is recognized."""
MAX_CONTEXT_CHARACTERS: Final = 80
WORD_SIGNS: Final = "".join(map(chr, range(0x21, 0x7F)))
"""All visible characters of ASCII."""
LONG_SECRETS: Final = ("eyJ", "-----BEGIN")
"""Beginnings of secrets that may be longer: the whole word at the end is held back."""
PLAIN_WORD: Final = re.compile(r"[A-Z]?[a-z]{0,20}[.,;!?)]{0,2}")
INTRODUCTION: Final = re.compile(
    r"(?:[:=]|：|是|为|--[\w-]{1,40}|bearer|basic|token)\s{0,20}$", re.IGNORECASE
)
"""Words behind which even a plain word may be the beginning of a secret."""


def mask_growing(text: str) -> str:
    """Return a text that may become longer, masked; only a plain word is shown at its end."""
    before = drop_last_word(text)
    is_plain = PLAIN_WORD.fullmatch(text, len(before)) is not None
    if not is_plain or INTRODUCTION.search(before[-MAX_CONTEXT_CHARACTERS:]):
        text = before
    return mask_secrets(text)


def drop_last_word(text: str) -> str:
    """Return a text without the word at its end, or without the last part of a long one."""
    before = text.rstrip(WORD_SIGNS)
    word = text[len(before) :]
    if any(beginning in word for beginning in LONG_SECRETS):
        return before
    return text[: max(len(before), len(text) - MAX_HELD_CHARACTERS)]
