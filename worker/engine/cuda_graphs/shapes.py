"""
Graph shapes: the step shapes that CUDA graphs are captured for. Pure Python.

A CUDA graph has fixed sizes and addresses. A step is therefore padded to one of a few shapes, with
more tokens, more sequences and more key positions than it needs. Any slot may be in any place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worker.engine.attention.step_shape import StepShape
from worker.engine.core.request_state import ScheduledRequest, measure_step

MIN_KV_LENGTH: Final = 512
"""Smallest KV length of a shape, in positions."""

GATHERED_GROWTH: Final = 2
"""Each further KV length is so many times longer where all keys up to it are read."""

PACKED_GROWTH: Final = 4
"""The same where only a sequence's own keys are read: its length then splits the work at most."""

MIN_PACKED_TOKENS: Final = 32
"""Smallest shape of a step in which a sequence has several tokens."""

MAX_DRAFT_ROWS: Final = 160
"""
Maximum rows of decodes with drafts.

By the roofline model an H200 computes about 165 rows in the time of reading the weights, an A100
about 128 (bandwidth and arithmetic of the data sheets).
"""


@dataclass(frozen=True, slots=True)
class GraphShapes:
    """
    All shapes for a KV cache, steps of `max_step_tokens` and drafts of `num_speculative_tokens`.

    With `is_packed`, one attention call serves sequences of any length, so that steps with prefill
    chunks and drafts have shapes too. Otherwise only steps with one token per request have.
    """

    num_slots: int
    max_positions: int
    max_step_tokens: int
    num_speculative_tokens: int = 0
    is_packed: bool = True

    @property
    def kv_lengths(self) -> list[int]:
        """KV lengths of decodes, rising; the last one covers all positions."""
        growth = PACKED_GROWTH if self.is_packed else GATHERED_GROWTH
        return _list_sizes(MIN_KV_LENGTH, growth, self.max_positions)

    @property
    def decode_counts(self) -> list[int]:
        """Numbers of decodes, rising; the last one covers all slots."""
        return _list_sizes(1, 2, self.num_slots)

    @property
    def token_counts(self) -> list[int]:
        """Numbers of tokens in steps with longer sequences, rising by a half or a third."""
        if not self.is_packed:
            return []
        doubled = _list_sizes(MIN_PACKED_TOKENS, 2, self.max_step_tokens)
        # Below, padding costs nothing: a step takes as long as reading the weights.
        between = [3 * count // 2 for count in doubled if count >= 2 * MIN_PACKED_TOKENS]
        return sorted({*doubled, *(count for count in between if count < self.max_step_tokens)})

    @property
    def max_drafting_requests(self) -> int:
        """Maximum number of decodes in a step with drafts."""
        return MAX_DRAFT_ROWS // (1 + self.num_speculative_tokens) if self.is_packed else 0

    def list_shapes(self) -> list[StepShape]:
        """Return every shape, the largest first, so that the others fit its memory pool."""
        decodes = [
            _decode_shape(count, kv_length)
            for count in self.decode_counts
            for kv_length in self.kv_lengths
        ]
        packed = [self._packed_shape(num_tokens) for num_tokens in self.token_counts]
        return sorted(decodes + packed, key=lambda shape: (-shape.num_tokens, -shape.kv_length))

    def smallest_for(self, step: Sequence[ScheduledRequest]) -> StepShape | None:
        """Return the smallest shape for a step; `None` if it has none."""
        if not step:
            return None
        needed = measure_step(step)
        if needed.max_query_length == 1:
            return _decode_shape(
                next(count for count in self.decode_counts if count >= needed.num_tokens),
                next(length for length in self.kv_lengths if length >= needed.kv_length),
            )
        for num_tokens in self.token_counts:
            shape = self._packed_shape(num_tokens)
            if num_tokens >= needed.num_tokens and shape.num_logits >= needed.num_logits:
                return shape
        return None

    def _packed_shape(self, num_tokens: int) -> StepShape:
        return StepShape(
            num_tokens,
            num_sequences=min(num_tokens, self.num_slots) + 1,  # one more takes the padding
            num_logits=min(num_tokens, MAX_DRAFT_ROWS + self.num_slots),
            max_query_length=num_tokens,
            kv_length=self.max_positions,
        )


def _decode_shape(count: int, kv_length: int) -> StepShape:
    return StepShape(count, count, count, max_query_length=1, kv_length=kv_length)


def _list_sizes(first: int, growth: int, last: int) -> list[int]:
    """Return sizes that grow from `first` by a factor; all below `last`, and `last`."""
    sizes = []
    while first < last:
        sizes.append(first)
        first *= growth
    return [*sizes, last]
