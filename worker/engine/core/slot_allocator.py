"""
What free slots still hold of requests that are over, for the next turn of the same thread.

Keys and values are a function of the tokens before them, so a prompt that begins with the same
tokens need not be read again. Only within one scope: how fast a prompt is read must tell no team
what another one has asked. Pure Python, no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

MIN_PREFIX_TOKENS: Final = 16
"""A shorter common beginning is not worth a slot of its own."""


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """The tokens whose keys and values a free slot holds, and whose they are."""

    scope: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SlotAllocation:
    """
    A slot for a prompt.

    The first `held` tokens are in it already or, where there is a `source`, in that slot, from
    which they are to be copied. `lost` is what the slot held of something else.
    """

    slot: int
    num_cached_tokens: int = 0
    source_slot: int | None = None
    evicted: CachedPrefix | None = None


@dataclass(slots=True)
class SlotAllocator:
    """The free slots. Those that hold a past are ordered from the longest ago to the latest."""

    empty_slots: set[int]
    cached_prefixes: dict[int, CachedPrefix] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.empty_slots or self.cached_prefixes)

    def release_slot(self, slot: int, scope: str, token_ids: Sequence[int]) -> None:
        """Take back a slot with what it holds; without a scope it counts as empty."""
        if scope and len(token_ids) >= MIN_PREFIX_TOKENS:
            self.cached_prefixes[slot] = CachedPrefix(scope, tuple(token_ids))
        else:
            self.empty_slots.add(slot)

    def allocate_slot(self, scope: str, prompt: Sequence[int]) -> SlotAllocation:
        """
        Return a slot for a prompt, with the longest beginning of it that any free slot holds.

        The past that the prompt continues is taken as it is. One that has merely begun alike, such
        as another thread with the same system prompt, stays if there is another slot: an empty one
        before an older past, the lowest first. At least one token remains to be fed.
        """
        best_slot, num_cached_tokens = -1, MIN_PREFIX_TOKENS - 1
        for slot, prefix in self.cached_prefixes.items():
            common = (
                common_prefix_length(prefix.token_ids, prompt[:-1])
                if scope and prefix.scope == scope
                else 0
            )
            if common > num_cached_tokens:
                best_slot, num_cached_tokens = slot, common
        if best_slot >= 0 and extends_prefix(self.cached_prefixes[best_slot], num_cached_tokens):
            del self.cached_prefixes[best_slot]
            return SlotAllocation(best_slot, num_cached_tokens)
        if best_slot >= 0 and not self.empty_slots and len(self.cached_prefixes) == 1:
            return SlotAllocation(
                best_slot, num_cached_tokens, evicted=self.cached_prefixes.pop(best_slot)
            )
        source_slot = best_slot if best_slot >= 0 else None
        num_cached_tokens = num_cached_tokens if best_slot >= 0 else 0
        if self.empty_slots:
            lowest = min(self.empty_slots)
            self.empty_slots.remove(lowest)
            return SlotAllocation(lowest, num_cached_tokens, source_slot)
        oldest = next(slot for slot in self.cached_prefixes if slot != best_slot)
        return SlotAllocation(
            oldest, num_cached_tokens, source_slot, self.cached_prefixes.pop(oldest)
        )

    def drop_scope(self, scope: str) -> list[int]:
        """Give up the pasts of one scope; returns their slots, which still hold them."""
        slots = [slot for slot, prefix in self.cached_prefixes.items() if prefix.scope == scope]
        for slot in slots:
            del self.cached_prefixes[slot]
        self.empty_slots.update(slots)
        return slots

    def drop_all(self) -> None:
        """Note that no slot holds anything any more."""
        self.empty_slots |= self.cached_prefixes.keys()
        self.cached_prefixes.clear()


def extends_prefix(prefix: CachedPrefix, num_common_tokens: int) -> bool:
    """Whether a prompt with `held` tokens of a past in common goes on with it rather than aside."""
    return 2 * num_common_tokens >= len(prefix.token_ids)


def common_prefix_length(one: Sequence[int], other: Sequence[int]) -> int:
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
