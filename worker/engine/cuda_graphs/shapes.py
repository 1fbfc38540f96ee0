"""
The shapes that a recorded step may have, and how requests are laid out in one; pure Python.

What is recorded has fixed sizes and addresses. So a step in which every request grows is padded to
one of a few shapes: more lanes than requests, more tokens in a lane than were drafted, more
positions than the longest request has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worker.engine.core.request_state import Work

SHORTEST: Final = 256
"""Positions that are looked back on at least; each further length is twice as long."""

GATHER: Final = 3
"""
How often keys are moved that are gathered: read, written, read again.

So lanes are any slots while so many times their number is no more than all slots; above, all slots
are lanes, idle ones too, and no key is moved.
"""

WIDEST: Final = 160
"""
The most rows of a step with drafts, most of which may be padding.

An H200 takes about 165 rows in the time in which it reads the weights; an A100 128 (bandwidth and
arithmetic of the data sheets).
"""

IDLE: Final = -1
"""The slot of a row that is padding."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """
    A step of `lanes` requests with `width` tokens each, who look back on `length` positions.

    If `whole`, each slot is the lane of its own number.
    """

    lanes: int
    width: int
    length: int
    whole: bool

    @property
    def rows(self) -> int:
        """How many tokens are fed, padding included."""
        return self.lanes * self.width


@dataclass(frozen=True, slots=True)
class Laid:
    """
    What is fed in each of a bucket's rows: an id, its position and its slot (`IDLE` for padding).

    `order` are the rows whose logits are wanted, in the order of the step, padded with row 0;
    `wanted` is how many.
    """

    ids: list[int]
    at: list[int]
    slots: list[int]
    order: list[int]
    wanted: int

    @property
    def numbers(self) -> list[int]:
        """All of it in one row of numbers."""
        return [*self.ids, *self.at, *self.slots, *self.order]


@dataclass(frozen=True, slots=True)
class Buckets:
    """All shapes for so many `slots` of `positions`, with up to `drafted` drafts a request."""

    slots: int
    positions: int
    drafted: int = 0

    @property
    def lengths(self) -> list[int]:
        """Lengths, rising; the last one is all positions."""
        doubled = (SHORTEST << n for n in range(self.positions.bit_length()))
        return [*(length for length in doubled if length < self.positions), self.positions]

    @property
    def lanes(self) -> list[int]:
        """Numbers of lanes, rising; the last one is all slots."""
        doubled = (1 << n for n in range(self.slots.bit_length()))
        return [*(lanes for lanes in doubled if GATHER * lanes <= self.slots), self.slots]

    @property
    def crowd(self) -> int:
        """The most requests in a step with drafts."""
        return max((lanes for lanes in self.lanes if self._wide(lanes)), default=0)

    def all(self) -> list[Bucket]:
        """Return every bucket, the largest first: what they need for a while they then share."""
        found = [
            Bucket(lanes, width, length, lanes == self.slots)
            for lanes in self.lanes
            for width in self._widths(lanes)
            for length in self.lengths
        ]
        return sorted(found, key=lambda bucket: (-bucket.rows * bucket.length, -bucket.rows))

    def fitting(self, step: Sequence[Work]) -> Bucket | None:
        """Return the smallest bucket for a step; `None` where not all grow, or too many draft."""
        if not step or any(work.count != 1 or not work.complete for work in step):
            return None
        lanes = next(lanes for lanes in self.lanes if lanes >= len(step))
        most = max(len(work.drafted) for work in step)
        width = next((width for width in self._widths(lanes) if width > most), None)
        if width is None:
            return None
        longest = max(work.start + 1 + len(work.drafted) for work in step)
        length = next(length for length in self.lengths if length >= longest)
        return Bucket(lanes, width, length, lanes == self.slots)

    def _widths(self, lanes: int) -> list[int]:
        return [1, 1 + self.drafted] if self._wide(lanes) else [1]

    def _wide(self, lanes: int) -> bool:
        return self.drafted > 0 and lanes * (1 + self.drafted) <= WIDEST


def laid(bucket: Bucket, step: Sequence[Work]) -> Laid:
    """Lay the requests of a step out in the rows of a bucket that fits; an empty step is idle."""
    ids, at = [0] * bucket.rows, [0] * bucket.rows
    slots = [IDLE] * bucket.rows
    order: list[int] = []
    for number, work in enumerate(step):
        lane = work.live.slot if bucket.whole else number
        for place, token in enumerate(work.ids):
            row = lane * bucket.width + place
            ids[row], at[row], slots[row] = token, work.start + place, work.live.slot
            order.append(row)
    padding = [0] * (bucket.rows - len(order))
    return Laid(ids, at, slots, order + padding, len(order))
