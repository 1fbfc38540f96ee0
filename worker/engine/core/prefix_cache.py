"""
What no slot holds any more of requests that are over, in the host's memory, for a later turn.

A slot that a past stood in is needed for somebody else long before a thread is over. To copy its
keys and values out and in again takes milliseconds, to read the thread again takes seconds. Pure
Python: what is kept is opaque, its size is told.
"""

from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from worker.engine.core.slot_allocator import (
    MIN_PREFIX_TOKENS,
    CachedPrefix,
    common_prefix_length,
    extends_prefix,
)

Blocks = TypeVar("Blocks")

MIN_OFFLOAD_TOKENS: Final = 64
"""Tokens below which reading again is no dearer than looking."""


@dataclass(frozen=True, slots=True)
class OffloadedPrefix(Generic[Blocks]):
    """A past and the keys and values of all its tokens, `size` bytes."""

    prefix: CachedPrefix
    blocks: Blocks
    num_bytes: int


@dataclass(slots=True)
class HostPrefixCache(Generic[Blocks]):
    """At most `limit` bytes of pasts; what was unused the longest goes first."""

    max_bytes: int
    used_bytes: int = 0
    _entries: dict[int, OffloadedPrefix[Blocks]] = field(default_factory=dict)
    _next_key: int = 0

    def __len__(self) -> int:
        return len(self._entries)

    def can_store(self, prefix: CachedPrefix, num_bytes: int) -> bool:
        """Whether a past of so many bytes is worth keeping and has room here at all."""
        return len(prefix.token_ids) >= MIN_OFFLOAD_TOKENS and num_bytes <= self.max_bytes

    def store_prefix(self, prefix: CachedPrefix, blocks: Blocks, num_bytes: int) -> None:
        """Keep a past as the latest; the oldest make room."""
        self._insert_entry(OffloadedPrefix(prefix, blocks, num_bytes))
        while self.used_bytes > self.max_bytes:
            self._remove_entry(next(iter(self._entries)))

    def lookup_prefix(
        self, scope: str, prompt: list[int], min_tokens: int
    ) -> tuple[OffloadedPrefix[Blocks], int] | None:
        """
        Return what begins like a prompt, and for how many tokens; `None` where not above `least`.

        A past that the prompt continues leaves the shelf: from now on it is in the prompt's slot.
        At least one token of the prompt remains to be fed.
        """
        best_key, num_common_tokens = -1, max(min_tokens, MIN_PREFIX_TOKENS - 1)
        for key, entry in self._entries.items():
            common = (
                common_prefix_length(entry.prefix.token_ids, prompt[:-1])
                if entry.prefix.scope == scope
                else 0
            )
            if common > num_common_tokens:
                best_key, num_common_tokens = key, common
        if not scope or best_key < 0:
            return None
        found = self._remove_entry(best_key)
        if not extends_prefix(found.prefix, num_common_tokens):
            self._insert_entry(found)
        return found, num_common_tokens

    def drop_scope(self, scope: str) -> list[Blocks]:
        """Give up the pasts of one scope; returns what was kept of them."""
        numbers = [number for number, kept in self._entries.items() if kept.prefix.scope == scope]
        return [self._remove_entry(number).blocks for number in numbers]

    def drop_all(self) -> None:
        """Give up everything."""
        self._entries.clear()
        self.used_bytes = 0

    def _insert_entry(self, entry: OffloadedPrefix[Blocks]) -> None:
        self._entries[self._next_key] = entry
        self._next_key += 1
        self.used_bytes += entry.num_bytes

    def _remove_entry(self, key: int) -> OffloadedPrefix[Blocks]:
        entry = self._entries.pop(key)
        self.used_bytes -= entry.num_bytes
        return entry
