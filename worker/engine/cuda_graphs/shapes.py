"""
The shapes that a recorded step may have, and how requests are laid out in one; pure Python.

What is recorded has fixed sizes and addresses. So a step in which every request grows is padded to
one of a few shapes: more lanes than requests, more tokens in a lane than were drafted, more
positions than the longest request has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worker.engine.core.request_state import ScheduledRequest

MIN_KV_LENGTH: Final = 256
"""Positions that are looked back on at least; each further length is twice as long."""

MAX_GATHER_RATIO: Final = 3
"""
How often keys are moved that are gathered: read, written, read again.

So lanes are any slots while so many times their number is no more than all slots; above, all slots
are lanes, idle ones too, and no key is moved.
"""

MAX_DRAFT_ROWS: Final = 160
"""
The most rows of a step with drafts, most of which may be padding.

An H200 takes about 165 rows in the time in which it reads the weights; an A100 128 (bandwidth and
arithmetic of the data sheets).
"""

PADDING_SLOT: Final = -1
"""The slot of a row that is padding."""


@dataclass(frozen=True, slots=True)
class GraphShape:
    """
    A step of `lanes` requests with `width` tokens each, who look back on `length` positions.

    If `whole`, each slot is the lane of its own number.
    """

    num_requests: int
    tokens_per_request: int
    kv_length: int
    all_slots: bool

    @property
    def num_rows(self) -> int:
        """How many tokens are fed, padding included."""
        return self.num_requests * self.tokens_per_request


@dataclass(frozen=True, slots=True)
class GraphInputs:
    """
    What is fed in each of a bucket's rows: an id, its position and its slot (`IDLE` for padding).

    `order` are the rows whose logits are wanted, in the order of the step, padded with row 0;
    `wanted` is how many.
    """

    token_ids: list[int]
    positions: list[int]
    slot_ids: list[int]
    logit_rows: list[int]
    num_logits: int

    @property
    def flat_numbers(self) -> list[int]:
        """All of it in one row of numbers."""
        return [*self.token_ids, *self.positions, *self.slot_ids, *self.logit_rows]


@dataclass(frozen=True, slots=True)
class GraphShapes:
    """All shapes for so many `slots` of `positions`, with up to `drafted` drafts a request."""

    num_slots: int
    max_positions: int
    num_speculative_tokens: int = 0

    @property
    def kv_lengths(self) -> list[int]:
        """Lengths, rising; the last one is all positions."""
        doubled = (MIN_KV_LENGTH << n for n in range(self.max_positions.bit_length()))
        return [*(length for length in doubled if length < self.max_positions), self.max_positions]

    @property
    def request_counts(self) -> list[int]:
        """Numbers of lanes, rising; the last one is all slots."""
        doubled = (1 << n for n in range(self.num_slots.bit_length()))
        return [
            *(lanes for lanes in doubled if MAX_GATHER_RATIO * lanes <= self.num_slots),
            self.num_slots,
        ]

    @property
    def max_requests_with_drafts(self) -> int:
        """The most requests in a step with drafts."""
        return max((lanes for lanes in self.request_counts if self._can_draft(lanes)), default=0)

    def list_shapes(self) -> list[GraphShape]:
        """Return every bucket, the largest first: what they need for a while they then share."""
        shapes = [
            GraphShape(lanes, width, length, lanes == self.num_slots)
            for lanes in self.request_counts
            for width in self._token_counts(lanes)
            for length in self.kv_lengths
        ]
        return sorted(
            shapes, key=lambda bucket: (-bucket.num_rows * bucket.kv_length, -bucket.num_rows)
        )

    def smallest_for(self, step: Sequence[ScheduledRequest]) -> GraphShape | None:
        """Return the smallest bucket for a step; `None` where not all grow, or too many draft."""
        if not step or any(work.num_tokens != 1 or not work.can_sample for work in step):
            return None
        num_requests = next(lanes for lanes in self.request_counts if lanes >= len(step))
        max_drafts = max(len(work.draft_ids) for work in step)
        tokens_per_request = next(
            (width for width in self._token_counts(num_requests) if width > max_drafts), None
        )
        if tokens_per_request is None:
            return None
        max_length = max(work.start + 1 + len(work.draft_ids) for work in step)
        kv_length = next(length for length in self.kv_lengths if length >= max_length)
        return GraphShape(
            num_requests, tokens_per_request, kv_length, num_requests == self.num_slots
        )

    def _token_counts(self, num_requests: int) -> list[int]:
        return [1, 1 + self.num_speculative_tokens] if self._can_draft(num_requests) else [1]

    def _can_draft(self, num_requests: int) -> bool:
        return (
            self.num_speculative_tokens > 0
            and num_requests * (1 + self.num_speculative_tokens) <= MAX_DRAFT_ROWS
        )


def build_inputs(shape: GraphShape, step: Sequence[ScheduledRequest]) -> GraphInputs:
    """Lay the requests of a step out in the rows of a bucket that fits; an empty step is idle."""
    ids, positions = [0] * shape.num_rows, [0] * shape.num_rows
    slot_ids = [PADDING_SLOT] * shape.num_rows
    logit_rows: list[int] = []
    for number, scheduled in enumerate(step):
        index = scheduled.state.slot if shape.all_slots else number
        for offset, token in enumerate(scheduled.token_ids):
            row = index * shape.tokens_per_request + offset
            ids[row], positions[row], slot_ids[row] = (
                token,
                scheduled.start + offset,
                scheduled.state.slot,
            )
            logit_rows.append(row)
    padding = [0] * (shape.num_rows - len(logit_rows))
    return GraphInputs(ids, positions, slot_ids, logit_rows + padding, len(logit_rows))
