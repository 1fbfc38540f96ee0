"""
Signatures of texts: word n-grams and MinHash find near-duplicates without the texts. Pure.

A signature tells nothing of its text but how similar it is to others. Texts that share a band are
candidates; the share of equal slots estimates the Jaccard similarity of their n-grams.
"""

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Final

Signature = tuple[int, ...]

SIGNATURE_SLOTS: Final = 128
ROWS_PER_BAND: Final = 4
"""Slots of a band. Texts of similarity 0.7 share one of 32 bands with a probability of 0.9998."""
WORDS_PER_NGRAM: Final = 3
SLOT_BITS: Final = 32
BAND_BYTES: Final = 8
DIGEST: Final = struct.Struct(">8Q")
ROUNDS_PER_DIGEST: Final = 8
"""Rounds whose hashes one digest of 64 bytes holds."""

WORDS: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\uffff]+|\w")
"""A word, or one character of a script that writes no spaces between words."""


def compute_signature(text: str) -> Signature:
    """Return the signature of a text, in time linear in its length."""
    return sign_features(ngram.encode("utf-8", "surrogatepass") for ngram in _list_ngrams(text))


def sign_features(features: Iterable[bytes], key: bytes = b"") -> Signature:
    """
    Return the signature of a set of features, of which there is one at least.

    Signatures under different keys (at most 64 bytes) have nothing in common.

    This is fast similarity sketching (Dahlgaard, Knudsen and Thorup, 2017). A round hashes each
    feature into one slot, which keeps its smallest hash; slots of earlier rounds are full. Many
    features need one round. Few need more, and the last rounds fill one slot each.
    """
    distinct = set(features)
    slots: dict[int, int] = {}
    number = 0
    while len(slots) < SIGNATURE_SLOTS:
        if number % ROUNDS_PER_DIGEST == 0:
            rounds = zip(*(_hash_rounds(one, number, key) for one in distinct), strict=True)
        for slot, rank in _find_ranks(next(rounds), number).items():
            slots.setdefault(slot, rank)
        number += 1
    return tuple(slots[slot] for slot in range(SIGNATURE_SLOTS))


def estimate_similarity(one: Signature, other: Signature) -> float:
    """Return the estimated share of n-grams that two texts have in common, from 0 to 1."""
    equal = sum(mine == yours for mine, yours in zip(one, other, strict=True))
    return equal / SIGNATURE_SLOTS


def list_bands(signature: Signature) -> list[bytes]:
    """Return a key of 8 bytes for each band; similar texts have some of them in common."""
    return [
        hashlib.blake2b(
            repr(signature[start : start + ROWS_PER_BAND]).encode(),
            digest_size=BAND_BYTES,
            salt=start.to_bytes(8),
        ).digest()
        for start in range(0, SIGNATURE_SLOTS, ROWS_PER_BAND)
    ]


def _list_ngrams(text: str) -> Iterable[str]:
    """Return the n-grams of a text; a text with few words, or none, is one n-gram."""
    words = WORDS.findall(text.casefold())
    if len(words) < WORDS_PER_NGRAM:
        return [" ".join(words) or text.strip()]
    return set(_join_ngrams(words))


def _join_ngrams(words: list[str]) -> Iterator[str]:
    shifted = (words[shift:] for shift in range(WORDS_PER_NGRAM))
    yield from map(" ".join, zip(*shifted, strict=False))


def _hash_rounds(feature: bytes, number: int, key: bytes) -> tuple[int, ...]:
    """Return the hashes of a feature in this round and in those after it, of one digest."""
    return DIGEST.unpack(hashlib.blake2b(feature, key=key, salt=number.to_bytes(8)).digest())


def _find_ranks(hashes: Iterable[int], number: int) -> dict[int, int]:
    """Return the smallest hash of each slot that this round fills."""
    if number >= SIGNATURE_SLOTS:
        return {number - SIGNATURE_SLOTS: min(hashes) >> SLOT_BITS}
    found: dict[int, int] = {}
    for value in hashes:
        slot, rank = value % SIGNATURE_SLOTS, value >> SLOT_BITS
        found[slot] = min(rank, found.get(slot, rank))
    return found
