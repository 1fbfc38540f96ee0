"""
Slot allocator with prefix caching: a free slot keeps the KV cache of its last request.

The KV of a token depends only on the tokens before it. A prompt that begins with the tokens of an
earlier request therefore skips their prefill. vLLM (automatic prefix caching, PagedAttention) and
SGLang (RadixAttention) do this for blocks; here the unit is a slot. A running request's slot is
only copied from: requests with one prompt prefill it once.

A scope is a path, `team/channel/thread`. Prefixes are shared only within its first part: the
duration of a prefill must not tell one team what another has asked. Pure Python, no torch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

MIN_PREFIX_TOKENS: Final = 16
"""Minimum length of a reusable prefix."""


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """Tokens whose KV a free slot holds, and the scope that may reuse them."""

    scope: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SlotAllocation:
    """
    A slot for a prompt.

    Its first `num_cached_tokens` tokens are already in the slot, or in `source_slot`, from which
    the caller copies them. `evicted` is the unrelated prefix that the slot held.
    """

    slot: int
    num_cached_tokens: int = 0
    source_slot: int | None = None
    evicted: CachedPrefix | None = None


@dataclass(slots=True)
class SlotAllocator:
    """Free slots. `cached_prefixes` is ordered from the least to the most recently used."""

    empty_slots: set[int]
    cached_prefixes: dict[int, CachedPrefix] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.empty_slots or self.cached_prefixes)

    def release_slot(self, slot: int, scope: str, token_ids: Sequence[int]) -> None:
        """Free a slot and keep its prefix; without a scope the slot counts as empty."""
        if scope and len(token_ids) >= MIN_PREFIX_TOKENS:
            self.cached_prefixes[slot] = CachedPrefix(scope, tuple(token_ids))
        else:
            self.empty_slots.add(slot)

    def allocate_slot(
        self,
        scope: str,
        prompt: Sequence[int],
        running: Iterable[tuple[int, CachedPrefix]] = (),
    ) -> SlotAllocation:
        """
        Return a slot for a prompt, with the longest cached prefix of any slot.

        `running` are the slots of running requests with the tokens whose KV they hold. One of them
        is copied if it shares more than each free slot.

        A slot whose prefix the prompt extends is taken. A slot that merely shares a beginning, such
        as a system prompt, is copied if another slot is free: the lowest empty one, or the least
        recently used one. At least one token of the prompt stays to be computed.
        """
        prefixes = [*self.cached_prefixes.items(), *running]
        best_slot, num_cached_tokens = _find_longest(prefixes, scope, prompt)
        if best_slot < 0:
            return self._take_other_slot(None, 0)
        if best_slot not in self.cached_prefixes:
            return self._take_other_slot(best_slot, num_cached_tokens)
        if extends_prefix(self.cached_prefixes[best_slot], num_cached_tokens):
            del self.cached_prefixes[best_slot]
            return SlotAllocation(best_slot, num_cached_tokens)
        if not self.empty_slots and len(self.cached_prefixes) == 1:
            evicted = self.cached_prefixes.pop(best_slot)
            return SlotAllocation(best_slot, num_cached_tokens, evicted=evicted)
        return self._take_other_slot(best_slot, num_cached_tokens)

    def _take_other_slot(self, source_slot: int | None, num_cached_tokens: int) -> SlotAllocation:
        """Take the lowest empty slot, else the least recently used one except `source_slot`."""
        if self.empty_slots:
            lowest = min(self.empty_slots)
            self.empty_slots.remove(lowest)
            return SlotAllocation(lowest, num_cached_tokens, source_slot)
        oldest = next(slot for slot in self.cached_prefixes if slot != source_slot)
        evicted = self.cached_prefixes.pop(oldest)
        return SlotAllocation(oldest, num_cached_tokens, source_slot, evicted)

    def drop_scope(self, scope: str) -> list[int]:
        """Forget the prefixes within a scope; returns their slots, whose KV isn't erased yet."""
        slots = [
            slot for slot, prefix in self.cached_prefixes.items() if is_within(prefix.scope, scope)
        ]
        for slot in slots:
            del self.cached_prefixes[slot]
        self.empty_slots.update(slots)
        return slots

    def drop_all(self) -> None:
        """Forget every prefix, after the KV cache was lost."""
        self.empty_slots |= self.cached_prefixes.keys()
        self.cached_prefixes.clear()


def _find_longest(
    prefixes: Iterable[tuple[int, CachedPrefix]], scope: str, prompt: Sequence[int]
) -> tuple[int, int]:
    """Return the slot that shares most with a prompt, and how many tokens; a slot of -1 if none."""
    best_slot, num_tokens = -1, MIN_PREFIX_TOKENS - 1
    for slot, prefix in prefixes:
        if can_share(prefix.scope, scope):
            common = common_prefix_length(prefix.token_ids, prompt[:-1])
            if common > num_tokens:
                best_slot, num_tokens = slot, common
    return best_slot, num_tokens


def can_share(scope: str, other: str) -> bool:
    """Whether requests of two scopes may share prefixes: both belong to the same team."""
    return bool(scope) and scope.partition("/")[0] == other.partition("/")[0]


def is_within(scope: str, outer: str) -> bool:
    """Whether a scope is the outer one or a part of it; everything is within an empty one."""
    return not outer or scope == outer or scope.startswith(f"{outer}/")


def extends_prefix(prefix: CachedPrefix, num_common_tokens: int) -> bool:
    """Whether a prompt continues a prefix: they share at least half of the prefix."""
    return 2 * num_common_tokens >= len(prefix.token_ids)


def common_prefix_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the longest common prefix, by binary search over slices."""
    low, high = 0, min(len(one), len(other))
    one, other = tuple(one[:high]), tuple(other[:high])
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
