"""
The tokens of a step whose shape is fixed: tensors that are filled anew, nothing else that changes.

No shape and no branch here depends on what is in the tensors, and nothing waits for the device, so
all of it can be recorded. Padding attends to the first position of some slot and leaves its key in
a row behind all slots (see `Slots.flat`): whatever idle slots keep of their threads stays.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from worker.engine.attention.batch import Fresh
from worker.engine.attention.kv_cache import Slots
from worker.engine.attention.sdpa import Look
from worker.engine.cuda_graphs.shapes import Bucket


@dataclass(frozen=True, slots=True)
class Lanes:
    """
    Where each row of a bucket belongs: int64 `[rows]` each, lane after lane.

    `at` are the tokens' positions, `owners` their slots, below 0 for padding. With `spread`, few
    rows with long pasts use all of a GPU.
    """

    slots: Slots
    bucket: Bucket
    at: Tensor
    owners: Tensor
    spread: bool = False
    _kept: dict[Hashable, Tensor] = field(default_factory=dict, init=False, repr=False)

    def attend(self, index: int, look: Look, fresh: Fresh) -> Tensor:
        """Store keys and values of layer `index` and attend; returns `[1, rows, heads, dim]`."""
        query, key, value = fresh
        heads, dim = key.shape[1], key.shape[3]
        flat, places = self.slots.flat(index), self._places(heads)
        flat[0].index_copy_(0, places, key[0].reshape(-1, dim))
        flat[1].index_copy_(0, places, value[0].reshape(-1, dim))
        held = self.slots.layer(index)[:, :, :, : self.bucket.length]
        if not self.bucket.whole:
            held = held.index_select(1, self._gathered())
        lanes, width = self.bucket.lanes, self.bucket.width
        apart = query[0].reshape(-1, lanes, width, dim).transpose(0, 1)
        folded = apart.reshape(lanes, heads, -1, dim)
        added = self._added(look, folded.shape[2] // width, folded.dtype)
        way = look.spread if self.spread else look.folded
        found = way(folded, held, added).reshape(apart.shape)
        return found.transpose(1, 2).reshape(1, self.bucket.rows, -1, dim)

    def _places(self, heads: int) -> Tensor:
        """Return where the keys of the rows go, `[heads x rows]` with the heads first."""

        def counted() -> Tensor:
            of_heads = torch.arange(heads, device=self.at.device).unsqueeze(1)
            own = (self.owners * heads + of_heads) * self.slots.positions + self.at
            aside = self.slots.count * heads * self.slots.positions + of_heads
            return torch.where(self.owners < 0, aside, own).flatten()

        return self._once(("places", heads), counted)

    def _gathered(self) -> Tensor:
        """Return the slot of each lane; a lane of padding takes the first one."""
        return self._once(
            "gathered", lambda: self.owners.view(-1, self.bucket.width)[:, 0].clamp(min=0)
        )

    def _added(self, look: Look, served: int, dtype: torch.dtype) -> Tensor:
        """Return the mask for `served` query heads at each key-value head."""
        lanes, width, length = self.bucket.lanes, self.bucket.width, self.bucket.length

        def made() -> Tensor:
            added = look.added(self.at.view(lanes, 1, 1, width, 1), length, dtype)
            if width == 1:
                return added.view(lanes, 1, 1, length)
            return added.expand(-1, -1, served, -1, -1).reshape(lanes, 1, -1, length)

        return self._once(("added", look.window, served, dtype), made)

    def _once(self, name: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return what is the same in all layers of a step; the first one makes it."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]
