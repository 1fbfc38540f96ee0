"""
Fingerprint of a question: what the database keeps instead of its text.

Every number in it is a hash under a random key of the workspace. Without the key, fingerprints of
two workspaces have nothing in common, and no one can find out a short text by trying texts.
"""

import hashlib
import struct
from typing import Final, NamedTuple, Self

from bot.asked_before.terms import Terms
from contract.signatures import (
    SIGNATURE_SLOTS,
    Signature,
    estimate_similarity,
    sign_features,
)

KEY_BYTES: Final = 32
DIGEST_BYTES: Final = 16
MIN_SIMILARITY: Final = 0.5
"""Estimated similarity from which an earlier answer is shown: docs/decisions/privacy.md."""
SLOTS: Final = struct.Struct(f">{SIGNATURE_SLOTS}I")


class Fingerprint(NamedTuple):
    """MinHash signature of a question's terms, and digest of those that distinguish it."""

    signature: Signature
    digest: bytes

    @classmethod
    def from_terms(cls, terms: Terms, key: bytes) -> Self:
        """Return the fingerprint of a question's terms under a key."""
        features = (_encode(term) for term in terms.all)
        distinguishing = b"\0".join(sorted(map(_encode, terms.distinguishing)))
        digest = hashlib.blake2b(distinguishing, key=key, digest_size=DIGEST_BYTES).digest()
        return cls(sign_features(features, key), digest)

    def measure_similarity(self, encoded: bytes) -> float:
        """Return the estimated similarity to a signature as the database keeps it."""
        return estimate_similarity(self.signature, SLOTS.unpack(encoded))

    def encode_signature(self) -> bytes:
        """Return the signature as the database keeps it."""
        return SLOTS.pack(*self.signature)


def _encode(term: str) -> bytes:
    return term.encode("utf-8", "surrogatepass")
