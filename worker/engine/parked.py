"""
What free slots still hold of requests that are over, for the next turn of the same thread.

Keys and values are a function of the tokens before them, so a prompt that begins with the same
tokens need not be read again. Only within one scope: how fast a prompt is read must tell no team
what another one has asked. Pure Python, no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

LEAST: Final = 16
"""A shorter common beginning is not worth a slot of its own."""


@dataclass(frozen=True, slots=True)
class Past:
    """The tokens whose keys and values a free slot holds, and whose they are."""

    scope: str
    tokens: tuple[int, ...]


@dataclass(slots=True)
class Parked:
    """The free slots. Those that hold a past are ordered from the longest ago to the latest."""

    empty: set[int]
    pasts: dict[int, Past] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.empty or self.pasts)

    def park(self, slot: int, scope: str, tokens: Sequence[int]) -> None:
        """Take back a slot with what it holds; without a scope it counts as empty."""
        if scope and len(tokens) >= LEAST:
            self.pasts[slot] = Past(scope, tuple(tokens))
        else:
            self.empty.add(slot)

    def claim(self, scope: str, prompt: Sequence[int]) -> tuple[int, int]:
        """
        Return a slot for a prompt and how many of its tokens that slot holds already.

        Of slots without a common beginning an empty one is taken before an older past, the lowest
        first. At least one token remains to be fed.
        """
        best, held = -1, LEAST - 1
        for slot, past in self.pasts.items():
            common = shared(past.tokens, prompt[:-1]) if scope and past.scope == scope else 0
            if common > held:
                best, held = slot, common
        if best >= 0:
            del self.pasts[best]
            return best, held
        if self.empty:
            lowest = min(self.empty)
            self.empty.remove(lowest)
            return lowest, 0
        oldest = next(iter(self.pasts))
        del self.pasts[oldest]
        return oldest, 0

    def forget(self, scope: str) -> list[int]:
        """Give up the pasts of one scope; returns their slots, which still hold them."""
        slots = [slot for slot, past in self.pasts.items() if past.scope == scope]
        for slot in slots:
            del self.pasts[slot]
        self.empty.update(slots)
        return slots

    def forget_all(self) -> None:
        """Note that no slot holds anything any more."""
        self.empty |= self.pasts.keys()
        self.pasts.clear()


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    one, other = tuple(one[:high]), tuple(other[:high])
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
