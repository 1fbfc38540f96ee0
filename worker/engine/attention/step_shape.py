"""
Step shape: the sizes of a step's tensors. Pure Python, no torch.

A sequence is one request's part of a step: its tokens, and the slot whose keys they attend to.
"""

from dataclasses import dataclass
from typing import Final

PADDING_SLOT: Final = -1
"""Slot of padding tokens."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """
    Sizes of a step: T tokens, Q sequences and N rows of logits.

    No sequence has more than `max_query_length` tokens, or attends to more than `kv_length`
    positions. Every step with one token per sequence has T = Q.
    """

    num_tokens: int
    num_sequences: int
    num_logits: int
    max_query_length: int
    kv_length: int

    @property
    def part_sizes(self) -> list[int]:
        """Sizes of the tensors in `StepTensors`, in their order."""
        tokens, bounds = self.num_tokens, self.num_sequences + 1
        return [tokens, tokens, tokens, self.num_logits, bounds, bounds, self.num_sequences]
