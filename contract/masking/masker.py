"""
Secret masker: replaces each secret by a mask such as `<secret:aws-key:1>`.

A mask takes the place of the value alone, so that quotes, names and addresses around it
stay. Masked text is masked text: to mask it once more changes nothing.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from contract.masking.formats import LITERALS
from contract.masking.kinds import SecretKind
from contract.masking.names import Finding, find_named_secrets, is_random

MASKS: Final = re.compile(
    r"(?:<|&lt;)secret:(?P<kind>[a-z-]{2,20}):(?P<number>[1-9][0-9]{0,4})[>&]"
)
BRACKETS: Final = ("<", ">")
ESCAPED_BRACKETS: Final = ("&lt;", "&gt;")
MAX_REPEATED_VALUES: Final = 32
"""Distinct secrets of a text that are searched elsewhere in it too."""
KIND_NAMES: Final = frozenset(SecretKind)
MAX_PASSES: Final = 3


class SecretMasker:
    """Masks the texts of one message; the same secret has the same number in all of them."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[SecretKind, str], int] = {}
        self._counts: Counter[SecretKind] = Counter()
        self._first_number = 1

    @property
    def kinds(self) -> tuple[SecretKind, ...]:
        """Kinds of the secrets so far, in order."""
        return tuple(dict.fromkeys(kind for kind, _ in self._numbers))

    @property
    def count(self) -> int:
        """Number of distinct secrets so far."""
        return len(self._numbers)

    def mask_text(self, text: str, *, escape: bool = False) -> str:
        """
        Return a text with each secret replaced by its mask.

        With `escape`, masks are those of escaped text, as Slack's mrkdwn is.
        """
        found = _find_secrets(text)
        if found:
            taken = (1 + int(one["number"]) for one in MASKS.finditer(text))
            self._first_number = max((self._first_number, *taken))
        brackets = ESCAPED_BRACKETS if escape else BRACKETS
        # A mask may set a value free that was part of a longer word.
        passes = 0
        while found and passes < MAX_PASSES:
            text, passes = self._replace_secrets(text, found, brackets), passes + 1
            found = _find_secrets(text)
        return text

    def _replace_secrets(
        self, text: str, found: Sequence[Finding], brackets: tuple[str, str]
    ) -> str:
        opening, closing = brackets
        pieces, end = [], 0
        for start, stop, kind in found:
            pieces += [text[end:start], opening, self._name_secret(kind, text[start:stop]), closing]
            end = stop
        masked = "".join([*pieces, text[end:]])
        repeated = {text[start:stop]: kind for start, stop, kind in found}
        for value, kind in list(repeated.items())[:MAX_REPEATED_VALUES]:
            if value in masked and is_random(value):
                mask = f"{opening}{self._name_secret(kind, value)}{closing}"
                whole = rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])"
                masked = re.sub(whole, mask, masked)
        return masked

    def _name_secret(self, kind: SecretKind, value: str) -> str:
        number = self._numbers.get((kind, value))
        if number is None:
            number = self._numbers[kind, value] = self._first_number + self._counts[kind]
            self._counts[kind] += 1
        return f"secret:{kind}:{number}"


def is_mask(text: str) -> bool:
    """Return whether a text is one mask."""
    return MASKS.fullmatch(text) is not None


def list_masked_kinds(text: str) -> tuple[SecretKind, ...]:
    """Return the kinds that the masks of a text name, in order."""
    names = dict.fromkeys(found["kind"] for found in MASKS.finditer(text))
    return tuple(SecretKind(name) for name in names if name in KIND_NAMES)


def mask_secrets(text: str) -> str:
    """Return a text with each secret replaced by its mask."""
    return SecretMasker().mask_text(text)


def _find_secrets(text: str) -> list[Finding]:
    """Return the secrets of a text in order; one of a known format hides others around it."""
    formats = [(literal, one) for literal, one in LITERALS if literal in text]
    found = [
        (start, stop, one.kind)
        for literal, one in formats
        for start, stop in one.find_spans(text, literal)
    ]
    found += find_named_secrets(text)
    if not found:
        return []
    taken, kept = bytearray(len(text)), []
    for start, stop, kind in found:
        if taken.find(1, start, stop) < 0:
            taken[start:stop] = b"\1" * (stop - start)
            kept.append((start, stop, kind))
    return sorted(kept)
