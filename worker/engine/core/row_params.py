"""
Sampling settings and random numbers of the rows of a step.

The random number generator is SplitMix64 (Steele et al., 2014), counted by the token's index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.engine import SamplingParams
from worker.engine.core.request_state import ScheduledRequest

MIN_TEMPERATURE: Final = 1e-200
"""A lower temperature would overflow; from here on, only the largest logits have a weight."""
GREEDY_SETTINGS: Final = (1.0, 1, 1.0, 0.0)
"""Temperature, top_k, top_p, and the factor of the random number."""
GOLDEN_GAMMA: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
"""Distance of two states of SplitMix64: 2**64 divided by the golden ratio."""
FIRST_FACTOR: Final = np.uint64(0xBF58_476D_1CE4_E5B9)
SECOND_FACTOR: Final = np.uint64(0x94D0_49BB_1331_11EB)
SHIFTS: Final = (np.uint64(30), np.uint64(27), np.uint64(31))
UNUSED_BITS: Final = np.uint64(11)
"""Bits of a random number that a float in [0, 1) has no place for."""
ONE: Final = np.uint64(1)


@dataclass(frozen=True, slots=True)
class RowParams:
    """
    Sampling settings of R rows, `[R]` each. `top_k` 0 is off; `random_numbers` are in [0, 1).

    Greedy decoding is top_k 1 with the random number 0: the first of the largest logits.
    """

    temperature: NDArray[np.float64]
    top_k: NDArray[np.int64]
    top_p: NDArray[np.float64]
    random_numbers: NDArray[np.float64]

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[SamplingParams, int]], vocab_size: int) -> "RowParams":
        """Return the settings of rows, each given by its request's settings and reply index."""
        settings = np.array(
            [
                (
                    max(row.temperature, MIN_TEMPERATURE),
                    row.top_k if row.top_k < vocab_size else 0,
                    row.top_p,
                    1.0,
                )
                if row.temperature > 0
                else GREEDY_SETTINGS
                for row, _ in rows
            ]
        )
        seeds_and_indices = np.array([(row.seed, index) for row, index in rows], np.uint64)
        random_numbers = draw_uniform(seeds_and_indices[:, 0], seeds_and_indices[:, 1])
        return cls(
            settings[:, 0],
            settings[:, 1].astype(np.int64),
            settings[:, 2],
            random_numbers * settings[:, 3],
        )


def list_rows(step: Sequence[ScheduledRequest]) -> list[tuple[SamplingParams, int]]:
    """Return the settings of each row of a step's logits and its index in the reply, in order."""
    return [
        (scheduled.state.request.sampling, scheduled.state.num_new_tokens + row)
        for scheduled in step
        for row in range(scheduled.num_logits)
    ]


def draw_uniform(seeds: NDArray[np.uint64], indices: NDArray[np.uint64]) -> NDArray[np.float64]:
    """
    Return a random number in [0, 1) for each seed and token index, `[R]` each.

    It depends on nothing else, so a restarted reply samples the same tokens.
    """
    states = mix_bits(seeds) + (indices + ONE) * GOLDEN_GAMMA
    return (mix_bits(states) >> UNUSED_BITS).astype(np.float64) * np.float64(2.0**-53)


def mix_bits(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64's output for each state, `[R]`; it is a bijection."""
    numbers = (numbers ^ (numbers >> SHIFTS[0])) * FIRST_FACTOR
    numbers = (numbers ^ (numbers >> SHIFTS[1])) * SECOND_FACTOR
    return numbers ^ (numbers >> SHIFTS[2])
