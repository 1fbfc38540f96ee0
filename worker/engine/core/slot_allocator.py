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


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A slot for a prompt.

    The first `held` tokens are in it already or, where there is a `source`, in that slot, from
    which they are to be copied. `lost` is what the slot held of something else.
    """

    slot: int
    held: int = 0
    source: int | None = None
    lost: Past | None = None


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

    def claim(self, scope: str, prompt: Sequence[int]) -> Claim:
        """
        Return a slot for a prompt, with the longest beginning of it that any free slot holds.

        The past that the prompt continues is taken as it is. One that has merely begun alike, such
        as another thread with the same system prompt, stays if there is another slot: an empty one
        before an older past, the lowest first. At least one token remains to be fed.
        """
        best, held = -1, LEAST - 1
        for slot, past in self.pasts.items():
            common = shared(past.tokens, prompt[:-1]) if scope and past.scope == scope else 0
            if common > held:
                best, held = slot, common
        if best >= 0 and continues(self.pasts[best], held):
            del self.pasts[best]
            return Claim(best, held)
        if best >= 0 and not self.empty and len(self.pasts) == 1:
            return Claim(best, held, lost=self.pasts.pop(best))
        source = best if best >= 0 else None
        held = held if best >= 0 else 0
        if self.empty:
            lowest = min(self.empty)
            self.empty.remove(lowest)
            return Claim(lowest, held, source)
        oldest = next(slot for slot in self.pasts if slot != best)
        return Claim(oldest, held, source, self.pasts.pop(oldest))

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


def continues(past: Past, held: int) -> bool:
    """Whether a prompt with `held` tokens of a past in common goes on with it rather than aside."""
    return 2 * held >= len(past.tokens)


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
