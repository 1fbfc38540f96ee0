"""
Attention over slots, registered with transformers so that stock model code runs on our memory.

All requests of a step are packed into one row of tokens: first those that grow (one token each),
then chunks of prompts. transformers hands our keyword `packed` through to this function and, for
an attention it has no mask for, builds none.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from worker.engine.slots import Layer, Slots

NAME: Final = "starchat_slots"

UNEVEN: Final = 2
"""On a CPU rows are attended to one by one if padding would cost so many times their work."""


KNOWN: Final = frozenset({
    "packed", "scaling", "sliding_window",
    # What changes nothing here: nothing is dropped out in evaluation, positions are in `packed`.
    "dropout", "is_causal", "output_attentions", "position_ids", "use_cache", "cache_position",
})  # fmt: skip
"""What a layer may ask of its attention."""


class UnservedError(Exception):
    """A layer asks its attention for something else; the message is its name."""


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
    """

    slots: Slots
    growing: Sequence[int]
    lengths: Sequence[int]
    chunks: Sequence[Chunk]
    _kept: dict[Hashable, Tensor] = field(default_factory=dict, init=False, repr=False)

    def once(self, name: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return what is the same in all layers of a step; the first one makes it."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def rows(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the growing slots and their positions as indices."""
        return (
            self.once("growing", lambda: torch.tensor(self.growing, device=device)),
            self.once("lengths", lambda: torch.tensor(self.lengths, device=device)),
        )

    def places(self, heads: int, device: torch.device) -> Tensor:
        """
        Return where the keys of the growing slots go, `[heads x rows]` with the heads first.

        They are rows of a block's half that is seen as `[slot x head x position, dim]`.
        """

        def counted() -> Tensor:
            slots, lengths = self.rows(device)
            of_heads = torch.arange(heads, device=device).unsqueeze(1)
            return ((slots * heads + of_heads) * self.slots.positions + lengths).flatten()

        return self.once(("places", heads), counted)

    @property
    def in_order(self) -> bool:
        """Whether the growing slots are the first ones, in their order."""
        return list(self.growing) == list(range(len(self.growing)))


class Shapes:
    """Stands in for `Packed` on a model's first run: attends within the row, notes the layers."""

    def __init__(self) -> None:
        self.layers: dict[int, Layer] = {}


def register() -> None:
    """Make the attention known to transformers under `NAME`."""
    AttentionInterface.register(NAME, attention)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """
    Store the keys and values of a packed row in their slots and attend to what each slot holds.

    `query` is `[1, heads, tokens, dim]`, `key` and `value` have the key-value heads. Returns
    `[1, tokens, heads, dim]`.
    """
    _refuse_unknown(options)
    packed: Packed | Shapes = options["packed"]
    index = int(module.layer_idx)  # type: ignore[arg-type]
    look = _Look(options.get("scaling"), options.get("sliding_window"))
    if isinstance(packed, Shapes):
        packed.layers[index] = Layer(key.shape[1], key.shape[3], key.dtype, key.device)
        return look.causal(query, key, value).transpose(1, 2), None
    block = packed.slots.layer(index)
    rows = len(packed.growing)
    parts = []
    if rows:
        _store(block, packed, key, value)
        parts.append(look.grow(query[0, :, :rows].transpose(0, 1), block, packed))
    for chunk in packed.chunks:
        span = slice(chunk.offset, chunk.offset + chunk.count)
        fresh = (query[:, :, span], key[:, :, span], value[:, :, span])
        parts.append(look.read(fresh, block, packed, chunk))
    return (parts[0] if len(parts) == 1 else torch.cat(parts)).unsqueeze(0), None


def _refuse_unknown(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None and name not in KNOWN:
            raise UnservedError(name)


def _store(block: Tensor, packed: Packed, key: Tensor, value: Tensor) -> None:
    """Put the one key and value of each growing slot at its position."""
    rows, heads, dim = len(packed.growing), key.shape[1], key.shape[3]
    if rows == 1:
        slot, at = packed.growing[0], packed.lengths[0]
        block[0, slot, :, at] = key[0, :, 0]
        block[1, slot, :, at] = value[0, :, 0]
        return
    places = packed.places(heads, block.device)
    # One flat index is several times cheaper here than one for each dimension.
    block[0].view(-1, dim).index_copy_(0, places, key[0, :, :rows].reshape(-1, dim))
    block[1].view(-1, dim).index_copy_(0, places, value[0, :, :rows].reshape(-1, dim))


@dataclass(frozen=True, slots=True)
class _Look:
    """How a layer looks back: its scale, and how far where it has a sliding window."""

    scale: float | None
    window: int | None

    def causal(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend within a row of tokens that starts at position 0."""
        count = query.shape[2]
        if self.window is not None and count > self.window:
            return self.onward(query, key, value, self._seen_from(0, count, query.device))
        return scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=self.scale, enable_gqa=True
        )

    def onward(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
        """Attend from the last tokens of a row to what each has `seen` of it."""
        key, value = (_widened(part, query.shape[1]) for part in (key, value))
        return scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=self.scale)

    def read(
        self, fresh: tuple[Tensor, Tensor, Tensor], block: Tensor, packed: Packed, chunk: Chunk
    ) -> Tensor:
        """
        Store and attend to a chunk of a prompt, given its query, key and value.

        Returns `[tokens, heads, dim]`.
        """
        query, key, value = fresh
        end = chunk.start + chunk.count
        block[0, chunk.slot, :, chunk.start : end] = key[0]
        block[1, chunk.slot, :, chunk.start : end] = value[0]
        if chunk.start == 0:
            return self.causal(query, key, value)[0].transpose(0, 1)
        held = block[:, chunk.slot : chunk.slot + 1, :, :end]
        seen = packed.once(
            (chunk, self.window), lambda: self._seen_from(chunk.start, chunk.count, query.device)
        )
        return self.onward(query, held[0], held[1], seen)[0].transpose(0, 1)

    def grow(self, query: Tensor, block: Tensor, packed: Packed) -> Tensor:
        """Attend from one token of each growing slot; `[rows, heads, dim]` in and out."""
        longest = max(packed.lengths) + 1
        total = sum(packed.lengths) + len(packed.lengths)
        heads = block.shape[2]
        folded = query.reshape(query.shape[0], heads, -1, query.shape[2])
        top = max(packed.growing) + 1
        alone = len(packed.growing) == 1
        if block.device.type == "cpu" and (alone or top * longest > UNEVEN * total):
            return self._one_by_one(folded, block, packed).reshape(query.shape)
        return self._together(folded, block, packed, top, longest).reshape(query.shape)

    def _one_by_one(self, folded: Tensor, block: Tensor, packed: Packed) -> Tensor:
        parts = []
        for row, (slot, at) in enumerate(zip(packed.growing, packed.lengths, strict=True)):
            first = 0 if self.window is None else max(0, at + 1 - self.window)
            held = block[:, slot : slot + 1, :, first : at + 1]
            parts.append(
                scaled_dot_product_attention(
                    folded[row : row + 1], held[0], held[1], scale=self.scale
                )
            )
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _together(
        self, folded: Tensor, block: Tensor, packed: Packed, top: int, longest: int
    ) -> Tensor:
        """Attend from the first `top` slots at once, idle ones too: no key is moved for it."""
        slots, lengths = packed.rows(block.device)

        def added_by_row() -> Tensor:
            at = lengths.new_zeros(top)
            at[slots] = lengths
            seen = self._seen(at[:, None, None, None], longest)
            # A mask of truth values would be turned into this one by every layer.
            return torch.zeros(seen.shape, dtype=folded.dtype, device=seen.device).masked_fill_(
                ~seen, -torch.inf
            )

        in_order = packed.in_order
        queries = folded
        if not in_order:
            queries = folded.new_zeros(top, *folded.shape[1:]).index_copy_(0, slots, folded)
        added = packed.once(("grow", self.window, folded.dtype), added_by_row)
        held = block[:, :top, :, :longest]
        found = scaled_dot_product_attention(
            queries, held[0], held[1], attn_mask=added, scale=self.scale
        )
        return found if in_order else found.index_select(0, slots)

    def _seen_from(self, start: int, count: int, device: torch.device) -> Tensor:
        """Return what each of `count` tokens from position `start` on attends to."""
        at = torch.arange(start, start + count, device=device).unsqueeze(1)
        return self._seen(at, start + count)

    def _seen(self, at: Tensor, total: int) -> Tensor:
        """Return which of `total` positions a token `at` a position attends to."""
        positions = torch.arange(total, device=at.device)
        seen = positions <= at
        if self.window is not None:
            seen &= positions > at - self.window
        return seen


def _widened(part: Tensor, heads: int) -> Tensor:
    """Repeat key-value heads for the query heads they serve; a view where there is one."""
    _, own, total, dim = part.shape
    wide = part.unsqueeze(2).expand(1, own, heads // own, total, dim)
    return wide.reshape(1, heads, total, dim)
