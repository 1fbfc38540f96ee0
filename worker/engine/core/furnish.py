"""Puts what is kept of a thread into the slot of its next request, and saves what stood there."""

from torch import Tensor

from worker.engine.attention.kv_cache import Slots
from worker.engine.core.prefix_cache import Shelf
from worker.engine.core.request_state import Live
from worker.engine.core.slot_allocator import Claim

Pasts = Shelf[list[Tensor]]
"""Per past the blocks of all layers, `[2, head, position, dim]` each, in the host's memory."""


def furnish(slots: Slots, shelf: Pasts, live: Live, claim: Claim) -> int:
    """Make a slot hold a beginning of the prompt of its new request; return how long that is."""
    lost = claim.lost
    if lost is not None:
        size = len(lost.tokens) * slots.position_bytes
        if shelf.takes(lost, size):
            shelf.put(lost, slots.lift(claim.slot, len(lost.tokens)), size)
    found = shelf.find(live.request.scope, live.tokens, claim.held)
    if found is not None:
        kept, held = found
        slots.lay(claim.slot, kept.blocks, held)
        return held
    if claim.source is not None:
        slots.copy(claim.source, claim.slot, claim.held)
    return claim.held


def wipe(shelf: Pasts, scope: str) -> None:
    """Leave no number behind of what is kept of a scope."""
    for blocks in shelf.forget(scope):
        for block in blocks:
            block.zero_()
