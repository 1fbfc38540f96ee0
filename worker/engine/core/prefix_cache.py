"""
Prefix cache in host memory: KV of finished requests that were evicted from their slots.

Another thread often needs a slot before the conversation in it is over. Copying the KV out and
back takes milliseconds; prefilling the conversation again takes seconds. vLLM and SGLang
(RadixAttention) share prefixes between requests in the same spirit. Pure Python: the KV blocks
are opaque here, and the caller states their size.
"""

from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from worker.engine.core.request_state import RequestState
from worker.engine.core.slot_allocator import (
    MIN_PREFIX_TOKENS,
    CachedPrefix,
    SlotAllocation,
    can_share,
    common_prefix_length,
    extends_prefix,
    is_within,
)

Blocks = TypeVar("Blocks")

MIN_OFFLOAD_TOKENS: Final = 64
"""Shorter prefixes are cheaper to prefill again than to copy."""


@dataclass(frozen=True, slots=True)
class OffloadedPrefix(Generic[Blocks]):
    """A prefix and the KV blocks of all its tokens."""

    prefix: CachedPrefix
    blocks: Blocks
    num_bytes: int


@dataclass(slots=True)
class HostPrefixCache(Generic[Blocks]):
    """Offloaded prefixes of at most `max_bytes`, least recently used first."""

    max_bytes: int
    used_bytes: int = 0
    _entries: dict[int, OffloadedPrefix[Blocks]] = field(default_factory=dict)
    _next_key: int = 0

    def __len__(self) -> int:
        return len(self._entries)

    def can_store(self, prefix: CachedPrefix, num_bytes: int) -> bool:
        """Whether a prefix is long enough to be worth storing and small enough to fit."""
        return len(prefix.token_ids) >= MIN_OFFLOAD_TOKENS and num_bytes <= self.max_bytes

    def make_room(self, num_bytes: int) -> None:
        """Evict the oldest entries until a prefix of this size fits."""
        while self._entries and self.used_bytes + num_bytes > self.max_bytes:
            self._remove_entry(next(iter(self._entries)))

    def store_prefix(self, prefix: CachedPrefix, blocks: Blocks, num_bytes: int) -> None:
        """Store a prefix as the most recent entry."""
        self._insert_entry(OffloadedPrefix(prefix, blocks, num_bytes))

    def lookup_prefix(
        self, scope: str, prompt: list[int], min_tokens: int
    ) -> tuple[OffloadedPrefix[Blocks], int] | None:
        """
        Return the entry that shares the longest prefix with a prompt, and that prefix's length.

        Returns `None` if no entry of the scope shares more than `min_tokens`. An entry that the
        prompt extends leaves the cache, because the prompt's slot will hold it. At least one token
        of the prompt stays to be computed.
        """
        best_key, num_common_tokens = -1, max(min_tokens, MIN_PREFIX_TOKENS - 1)
        for key, entry in self._entries.items():
            if not can_share(entry.prefix.scope, scope):
                continue
            common = common_prefix_length(entry.prefix.token_ids, prompt[:-1])
            if common > num_common_tokens:
                best_key, num_common_tokens = key, common
        if best_key < 0:
            return None
        entry = self._remove_entry(best_key)
        if not extends_prefix(entry.prefix, num_common_tokens):
            self._insert_entry(entry)
        return entry, num_common_tokens

    def drop_scope(self, scope: str) -> list[Blocks]:
        """Remove every entry within a scope; returns their KV blocks."""
        keys = [key for key, entry in self._entries.items() if is_within(entry.prefix.scope, scope)]
        return [self._remove_entry(key).blocks for key in keys]

    def drop_all(self) -> None:
        """Remove every entry."""
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


class PrefixStorage(Protocol[Blocks]):
    """KV storage by slots; `worker.engine.attention.kv_cache.KVCache` implements it."""

    def count_host_bytes(self, num_tokens: int) -> int:
        """Return the host memory that `copy_to_host` takes for this many tokens, in bytes."""
        ...

    def copy_prefix(self, source: int, slot: int, num_tokens: int) -> None:
        """Copy the first tokens of one slot to another."""
        ...

    def copy_to_host(self, slot: int, num_tokens: int) -> Blocks:
        """Return the first tokens of a slot in host memory."""
        ...

    def copy_from_host(self, slot: int, host_blocks: Blocks, num_tokens: int) -> None:
        """Write the first tokens of a slot from host memory."""
        ...


def restore_prefix(
    kv_cache: PrefixStorage[Blocks],
    host_cache: HostPrefixCache[Blocks],
    state: RequestState,
    allocation: SlotAllocation,
) -> int:
    """
    Fill a newly allocated slot with the longest cached prefix of its request.

    Offloads the slot's evicted prefix to the host first. Returns the restored number of tokens.
    """
    evicted = allocation.evicted
    if evicted is not None:
        num_tokens = len(evicted.token_ids)
        num_bytes = kv_cache.count_host_bytes(num_tokens)
        if host_cache.can_store(evicted, num_bytes):
            # Before the copy: it takes the memory of what is evicted.
            host_cache.make_room(num_bytes)
            blocks = kv_cache.copy_to_host(allocation.slot, num_tokens)
            host_cache.store_prefix(evicted, blocks, num_bytes)
    match = host_cache.lookup_prefix(
        state.request.scope, state.token_ids, allocation.num_cached_tokens
    )
    if match is not None:
        entry, num_tokens = match
        kv_cache.copy_from_host(allocation.slot, entry.blocks, num_tokens)
        return num_tokens
    if allocation.source_slot is not None:
        kv_cache.copy_prefix(allocation.source_slot, allocation.slot, allocation.num_cached_tokens)
    return allocation.num_cached_tokens
