"""
All requests of a step in one row of tokens: who grows by one token first, then chunks of prompts.

Keys and values go to their slots, and each token attends to what its slot holds.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from worker.engine.attention.flash_varlen import Varlen
from worker.engine.attention.kv_cache import Slots
from worker.engine.attention.sdpa import Look

UNEVEN: Final = 2
"""On a CPU rows are attended to one by one if padding would cost so many times their work."""

Fresh = tuple[Tensor, Tensor, Tensor]
"""Query, key and value of the tokens that a step feeds, `[1, heads, tokens, dim]` each."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` tokens of one slot from position `start` on; at `offset` in the packed row."""

    slot: int
    start: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Packed:
    """
    Where each token of a packed row belongs.

    `growing` are slots with one token each, at `lengths` (their positions), first in the row.
    `varlen` reads chunks where it can.
    """

    slots: Slots
    growing: Sequence[int]
    lengths: Sequence[int]
    chunks: Sequence[Chunk]
    varlen: Varlen | None = None
    _kept: dict[Hashable, Tensor] = field(default_factory=dict, init=False, repr=False)

    def attend(self, index: int, look: Look, fresh: Fresh) -> Tensor:
        """Store keys and values of layer `index` and attend; returns `[1, tokens, heads, dim]`."""
        query, key, value = fresh
        block = self.slots.layer(index)
        rows = len(self.growing)
        parts = []
        if rows:
            self._store(block, key, value)
            parts.append(self._grow(look, query[0, :, :rows].transpose(0, 1), block))
        for chunk in self.chunks:
            span = slice(chunk.offset, chunk.offset + chunk.count)
            part = (query[:, :, span], key[:, :, span], value[:, :, span])
            parts.append(self._read(look, part, block, chunk))
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).unsqueeze(0)

    def _store(self, block: Tensor, key: Tensor, value: Tensor) -> None:
        """Put the one key and value of each growing slot at its position."""
        rows, heads, dim = len(self.growing), key.shape[1], key.shape[3]
        if rows == 1:
            slot, at = self.growing[0], self.lengths[0]
            block[0, slot, :, at] = key[0, :, 0]
            block[1, slot, :, at] = value[0, :, 0]
            return
        places = self._places(heads, block.device)
        # One flat index is several times cheaper here than one for each dimension.
        block[0].view(-1, dim).index_copy_(0, places, key[0, :, :rows].reshape(-1, dim))
        block[1].view(-1, dim).index_copy_(0, places, value[0, :, :rows].reshape(-1, dim))

    def _read(self, look: Look, fresh: Fresh, block: Tensor, chunk: Chunk) -> Tensor:
        """Store and attend to a chunk of a prompt; returns `[tokens, heads, dim]`."""
        query, key, value = fresh
        end = chunk.start + chunk.count
        block[0, chunk.slot, :, chunk.start : end] = key[0]
        block[1, chunk.slot, :, chunk.start : end] = value[0]
        if chunk.start == 0:
            return look.causal(query, key, value)[0].transpose(0, 1)
        held = block[:, chunk.slot : chunk.slot + 1, :, :end]
        if self.varlen is not None:
            bounds = self._once(("bounds", chunk), lambda: _bounds(chunk.count, end, block.device))
            found = self.varlen(look, query, held, bounds)
            if found is not None:
                return found
        seen = self._once(
            (chunk, look.window), lambda: look.seen_from(chunk.start, chunk.count, query.device)
        )
        return look.onward(query, held[0], held[1], seen)[0].transpose(0, 1)

    def _grow(self, look: Look, query: Tensor, block: Tensor) -> Tensor:
        """Attend from one token of each growing slot; `[rows, heads, dim]` in and out."""
        longest = max(self.lengths) + 1
        total = sum(self.lengths) + len(self.lengths)
        heads = block.shape[2]
        folded = query.reshape(query.shape[0], heads, -1, query.shape[2])
        top = max(self.growing) + 1
        alone = len(self.growing) == 1
        if block.device.type == "cpu" and (alone or top * longest > UNEVEN * total):
            return self._one_by_one(look, folded, block).reshape(query.shape)
        return self._together(look, folded, block[:, :top, :, :longest]).reshape(query.shape)

    def _one_by_one(self, look: Look, folded: Tensor, block: Tensor) -> Tensor:
        parts = []
        for row, (slot, at) in enumerate(zip(self.growing, self.lengths, strict=True)):
            held = block[:, slot : slot + 1, :, look.first(at) : at + 1]
            parts.append(look.folded(folded[row : row + 1], held))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _together(self, look: Look, folded: Tensor, held: Tensor) -> Tensor:
        """Attend from the first slots at once, idle ones too: no key is moved for it."""
        top, longest = held.shape[1], held.shape[3]
        slots, lengths = self._rows(held.device)

        def added_by_row() -> Tensor:
            at = lengths.new_zeros(top)
            at[slots] = lengths
            return look.added(at[:, None, None, None], longest, folded.dtype)

        in_order = list(self.growing) == list(range(len(self.growing)))
        queries = folded
        if not in_order:
            queries = folded.new_zeros(top, *folded.shape[1:]).index_copy_(0, slots, folded)
        found = look.folded(
            queries, held, self._once(("grow", look.window, folded.dtype), added_by_row)
        )
        return found if in_order else found.index_select(0, slots)

    def _once(self, name: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return what is the same in all layers of a step; the first one makes it."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def _rows(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the growing slots and their positions as indices."""
        return (
            self._once("growing", lambda: torch.tensor(self.growing, device=device)),
            self._once("lengths", lambda: torch.tensor(self.lengths, device=device)),
        )

    def _places(self, heads: int, device: torch.device) -> Tensor:
        """
        Return where the keys of the growing slots go, `[heads x rows]` with the heads first.

        They are rows of a block's half that is seen as `[slot x head x position, dim]`.
        """

        def counted() -> Tensor:
            slots, lengths = self._rows(device)
            of_heads = torch.arange(heads, device=device).unsqueeze(1)
            return ((slots * heads + of_heads) * self.slots.positions + lengths).flatten()

        return self._once(("places", heads), counted)


def _bounds(count: int, end: int, device: torch.device) -> Tensor:
    return torch.tensor([[0, count], [0, end]], dtype=torch.int32, device=device)
