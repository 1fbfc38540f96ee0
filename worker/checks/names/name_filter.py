"""Bloom filter of names: a million of them in two megabytes, with a known share of false hits."""

import hashlib
import math
from collections.abc import Collection, Iterator
from typing import Final

BITS_PER_NAME: Final = 15
NUM_PROBES: Final = 10
"""Bits that each name sets. With 15 bits a name, 1 of 1,350 unknown names passes as known."""
HASH_BYTES: Final = 16


class NameFilter:
    """Set of names that may hold a few more than were added. `bits` is what `build` returned."""

    def __init__(self, bits: bytes) -> None:
        self._bits = bits

    def __contains__(self, name: str) -> bool:
        return bool(self._bits) and all(
            self._bits[place >> 3] >> (place & 7) & 1
            for place in _iterate_places(name, len(self._bits) * 8)
        )

    @staticmethod
    def build(names: Collection[str]) -> bytes:
        """Return the bits of a filter of these names."""
        bits = bytearray(math.ceil(len(names) * BITS_PER_NAME / 8))
        for name in names:
            for place in _iterate_places(name, len(bits) * 8):
                bits[place >> 3] |= 1 << (place & 7)
        return bytes(bits)


def _iterate_places(name: str, num_bits: int) -> Iterator[int]:
    """Yield the bits of a name, by two hashes (Kirsch and Mitzenmacher, 2006)."""
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=HASH_BYTES).digest()
    first = int.from_bytes(digest[:8], "big")
    step = int.from_bytes(digest[8:], "big") | 1
    for probe in range(NUM_PROBES):
        yield (first + probe * step) % num_bits
