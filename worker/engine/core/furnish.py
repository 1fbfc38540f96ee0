"""Puts what is kept of a thread into the slot of its next request, and saves what stood there."""

from torch import Tensor

from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.prefix_cache import HostPrefixCache
from worker.engine.core.request_state import RequestState
from worker.engine.core.slot_allocator import SlotAllocation

TensorPrefixCache = HostPrefixCache[list[Tensor]]
"""Per past the blocks of all layers, `[2, head, position, dim]` each, in the host's memory."""


def restore_prefix(
    kv_cache: KVCache,
    host_cache: TensorPrefixCache,
    state: RequestState,
    allocation: SlotAllocation,
) -> int:
    """Make a slot hold a beginning of the prompt of its new request; return how long that is."""
    evicted = allocation.evicted
    if evicted is not None:
        num_bytes = len(evicted.token_ids) * kv_cache.bytes_per_token
        if host_cache.can_store(evicted, num_bytes):
            host_cache.store_prefix(
                evicted, kv_cache.copy_to_host(allocation.slot, len(evicted.token_ids)), num_bytes
            )
    match = host_cache.lookup_prefix(
        state.request.scope, state.token_ids, allocation.num_cached_tokens
    )
    if match is not None:
        offloaded, num_tokens = match
        kv_cache.copy_from_host(allocation.slot, offloaded.blocks, num_tokens)
        return num_tokens
    if allocation.source_slot is not None:
        kv_cache.copy_prefix(allocation.source_slot, allocation.slot, allocation.num_cached_tokens)
    return allocation.num_cached_tokens


def erase_scope(host_cache: TensorPrefixCache, scope: str) -> None:
    """Leave no number behind of what is kept of a scope."""
    for blocks in host_cache.drop_scope(scope):
        for block in blocks:
            block.zero_()
