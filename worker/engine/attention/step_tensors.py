"""
Step tensors: which tokens a step computes and where, as one row of numbers for one copy.

Shapes: T tokens, Q sequences, N rows of logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from worker.engine.attention.step_shape import StepShape


@dataclass(frozen=True, slots=True)
class StepTensors:
    """
    A step's tensors, int64, as views of one row of numbers.

    `token_ids`, `positions`, `slots`: `[T]`; the slot of padding is negative. `logit_rows`: `[N]`,
    the tokens whose logits are wanted. Sequence q has the tokens from `query_starts[q]` up to
    `query_starts[q + 1]`, `[Q + 1]`. It attends to the first `kv_lengths[q]` positions, `[Q]`, of
    slot `sequence_slots[q]`, `[Q + 1]`; the last of these slots has no meaning.
    """

    token_ids: Tensor
    positions: Tensor
    slots: Tensor
    logit_rows: Tensor
    query_starts: Tensor
    sequence_slots: Tensor
    kv_lengths: Tensor

    @classmethod
    def split(cls, shape: StepShape, numbers: Tensor) -> Self:
        """Return views of a row that has at least the shape's numbers."""
        return cls(*numbers[: sum(shape.part_sizes)].split_with_sizes(shape.part_sizes))

    def select_tokens(self, rows: Tensor) -> Self:
        """Return the same with the tokens of `rows`, int64 `[N]`, only."""
        return replace(
            self,
            token_ids=self.token_ids[rows],
            positions=self.positions[rows],
            slots=self.slots[rows],
        )


def stage_numbers(numbers: Sequence[int], device: torch.device) -> Tensor:
    """Return an int64 tensor in the host's memory, from which `device` copies without a wait."""
    # torch reuses pinned memory only after the copies from it.
    staged = torch.tensor(numbers, dtype=torch.long)
    return staged if device.type == "cpu" else staged.pin_memory()
