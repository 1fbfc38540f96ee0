"""
Graph shapes: the step shapes that CUDA graphs are captured for, and their inputs. Pure Python.

A CUDA graph has fixed sizes and addresses. A decode step is therefore padded to one of a few
shapes, with more requests, more tokens per request and more key positions than it needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worker.engine.core.request_state import ScheduledRequest

MIN_KV_LENGTH: Final = 256
"""Smallest KV length of a shape, in positions; each further length doubles."""

MAX_GATHER_RATIO: Final = 3
"""
Memory traffic of gathered keys: read, written, read again.

Shapes with up to a third of all slots gather the keys of their requests. Larger shapes attend to
all slots in place, idle ones too, which moves no key.
"""

MAX_DRAFT_ROWS: Final = 160
"""
Maximum rows of a shape with drafts, padding included.

By the roofline model an H200 computes about 165 rows in the time of reading the weights, an A100
about 128 (bandwidth and arithmetic of the data sheets).
"""

PADDING_SLOT: Final = -1
"""Slot id of padding rows."""


@dataclass(frozen=True, slots=True)
class GraphShape:
    """
    A step of `num_requests` with `tokens_per_request` each, which attend to `kv_length` positions.

    With `all_slots` the shape covers every slot, in slot order.
    """

    num_requests: int
    tokens_per_request: int
    kv_length: int
    all_slots: bool

    @property
    def num_rows(self) -> int:
        """Number of tokens, padding included."""
        return self.num_requests * self.tokens_per_request


@dataclass(frozen=True, slots=True)
class GraphInputs:
    """
    Inputs of a shape's rows: token id, position and slot (`PADDING_SLOT` for padding).

    The first `num_logits` of `logit_rows` are the rows to sample from, in the step's order. The
    rest is padding.
    """

    token_ids: list[int]
    positions: list[int]
    slot_ids: list[int]
    logit_rows: list[int]
    num_logits: int

    @property
    def flat_numbers(self) -> list[int]:
        """All inputs in one list, for one copy to the device."""
        return [*self.token_ids, *self.positions, *self.slot_ids, *self.logit_rows]


@dataclass(frozen=True, slots=True)
class GraphShapes:
    """All shapes for a KV cache and a maximum draft length."""

    num_slots: int
    max_positions: int
    num_speculative_tokens: int = 0

    @property
    def kv_lengths(self) -> list[int]:
        """KV lengths, rising; the last one covers all positions."""
        doubled = (MIN_KV_LENGTH << n for n in range(self.max_positions.bit_length()))
        return [*(length for length in doubled if length < self.max_positions), self.max_positions]

    @property
    def request_counts(self) -> list[int]:
        """Request counts, rising; the last one covers all slots."""
        doubled = (1 << n for n in range(self.num_slots.bit_length()))
        return [
            *(count for count in doubled if MAX_GATHER_RATIO * count <= self.num_slots),
            self.num_slots,
        ]

    @property
    def max_requests_with_drafts(self) -> int:
        """Maximum number of requests in a step with drafts."""
        return max((count for count in self.request_counts if self._can_draft(count)), default=0)

    def list_shapes(self) -> list[GraphShape]:
        """Return every shape, the largest first, so that the others fit its memory pool."""
        shapes = [
            GraphShape(num_requests, num_tokens, kv_length, num_requests == self.num_slots)
            for num_requests in self.request_counts
            for num_tokens in self._token_counts(num_requests)
            for kv_length in self.kv_lengths
        ]
        return sorted(
            shapes, key=lambda shape: (-shape.num_rows * shape.kv_length, -shape.num_rows)
        )

    def smallest_for(self, step: Sequence[ScheduledRequest]) -> GraphShape | None:
        """Return the smallest shape for a step; `None` if it has a prefill or too many drafts."""
        if not step or any(item.num_tokens != 1 or not item.can_sample for item in step):
            return None
        num_requests = next(count for count in self.request_counts if count >= len(step))
        max_drafts = max(len(item.draft_ids) for item in step)
        tokens_per_request = next(
            (count for count in self._token_counts(num_requests) if count > max_drafts), None
        )
        if tokens_per_request is None:
            return None
        max_length = max(item.start + 1 + len(item.draft_ids) for item in step)
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
    """Return the inputs of a step in a shape that fits it; an empty step gives padding only."""
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
