"""De-duplication of dialogues: exact by a hash, near by signatures. Pure, in linear time."""

import hashlib
from collections import defaultdict
from enum import StrEnum
from typing import Final

from contract.signatures import Signature, compute_signature, estimate_similarity, list_bands

DEFAULT_MIN_SIMILARITY: Final = 0.8
"""Share of word n-grams in common from which on two dialogues count as one."""
MAX_TEXTS_PER_BAND: Final = 8
"""Texts of a band that are compared; more would take quadratic time with hostile input."""


class Novelty(StrEnum):
    """The relation of a text to those before it."""

    NEW = "new"
    EXACT = "exact duplicate"
    NEAR = "near-duplicate"


class DuplicateFinder:
    """Remembers texts, and tells which later ones are duplicates of them."""

    def __init__(self, min_similarity: float = DEFAULT_MIN_SIMILARITY) -> None:
        """Count texts of this similarity as near-duplicates."""
        self._min_similarity = min_similarity
        self._hashes: set[bytes] = set()
        self._bands: defaultdict[bytes, list[Signature]] = defaultdict(list)

    def add_text(self, text: str) -> Novelty:
        """Return whether a text is new, and remember it if so. White space does not count."""
        digest = hashlib.sha256(" ".join(text.split()).encode()).digest()
        if digest in self._hashes:
            return Novelty.EXACT
        self._hashes.add(digest)
        signature = compute_signature(text)
        buckets = [self._bands[band] for band in list_bands(signature)]
        candidates = {id(found): found for bucket in buckets for found in bucket}
        if any(
            estimate_similarity(signature, found) >= self._min_similarity
            for found in candidates.values()
        ):
            return Novelty.NEAR
        for bucket in buckets:
            if len(bucket) < MAX_TEXTS_PER_BAND:
                bucket.append(signature)
        return Novelty.NEW
