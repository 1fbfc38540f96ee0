"""
What no slot holds any more of requests that are over, in the host's memory, for a later turn.

A slot that a past stood in is needed for somebody else long before a thread is over. To copy its
keys and values out and in again takes milliseconds, to read the thread again takes seconds. Pure
Python: what is kept is opaque, its size is told.
"""

from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from worker.engine.core.slot_allocator import LEAST, Past, continues, shared

Blocks = TypeVar("Blocks")

WORTH: Final = 64
"""Tokens below which reading again is no dearer than looking."""


@dataclass(frozen=True, slots=True)
class Kept(Generic[Blocks]):
    """A past and the keys and values of all its tokens, `size` bytes."""

    past: Past
    blocks: Blocks
    size: int


@dataclass(slots=True)
class Shelf(Generic[Blocks]):
    """At most `limit` bytes of pasts; what was unused the longest goes first."""

    limit: int
    size: int = 0
    _kept: dict[int, Kept[Blocks]] = field(default_factory=dict)
    _next: int = 0

    def __len__(self) -> int:
        return len(self._kept)

    def takes(self, past: Past, size: int) -> bool:
        """Whether a past of so many bytes is worth keeping and has room here at all."""
        return len(past.tokens) >= WORTH and size <= self.limit

    def put(self, past: Past, blocks: Blocks, size: int) -> None:
        """Keep a past as the latest; the oldest make room."""
        self._add(Kept(past, blocks, size))
        while self.size > self.limit:
            self._remove(next(iter(self._kept)))

    def find(self, scope: str, prompt: list[int], least: int) -> tuple[Kept[Blocks], int] | None:
        """
        Return what begins like a prompt, and for how many tokens; `None` where not above `least`.

        A past that the prompt continues leaves the shelf: from now on it is in the prompt's slot.
        At least one token of the prompt remains to be fed.
        """
        best, held = -1, max(least, LEAST - 1)
        for number, kept in self._kept.items():
            common = shared(kept.past.tokens, prompt[:-1]) if kept.past.scope == scope else 0
            if common > held:
                best, held = number, common
        if not scope or best < 0:
            return None
        found = self._remove(best)
        if not continues(found.past, held):
            self._add(found)
        return found, held

    def forget(self, scope: str) -> list[Blocks]:
        """Give up the pasts of one scope; returns what was kept of them."""
        numbers = [number for number, kept in self._kept.items() if kept.past.scope == scope]
        return [self._remove(number).blocks for number in numbers]

    def clear(self) -> None:
        """Give up everything."""
        self._kept.clear()
        self.size = 0

    def _add(self, kept: Kept[Blocks]) -> None:
        self._kept[self._next] = kept
        self._next += 1
        self.size += kept.size

    def _remove(self, number: int) -> Kept[Blocks]:
        kept = self._kept.pop(number)
        self.size -= kept.size
        return kept
