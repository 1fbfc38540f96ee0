"""
Paired bootstrap: an interval for the difference of two models on the same threads. Pure.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: the percentile interval.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_THREADS: Final = 16
"""An interval of fewer threads would be too narrow."""
CONFIDENCE: Final = 0.95
NUM_BATCHES: Final = 20
BATCH_SIZE: Final = 100
"""Resamples that are in memory at once, of 2,000 in all."""


class Interval(NamedTuple):
    """Both ends of an interval."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether all of it is on one side of 0."""
        return self.low > 0 or self.high < 0


class Comparison(NamedTuple):
    """Values of two models, and the interval of the second minus the first; `None` is too few."""

    first: float | None
    second: float | None
    interval: Interval | None


def compare_ratios(
    first: NDArray[np.float64], second: NDArray[np.float64], seed: int
) -> Comparison:
    """
    Compare two ratios of sums, given as numerator and denominator of each thread `[T, 2]`.

    Each resample draws threads with replacement, the same ones for both. Equal seeds give equal
    intervals.
    """
    values = (_divide(first.sum(0)), _divide(second.sum(0)))
    threads = min(np.count_nonzero(sums[:, 1]) for sums in (first, second))
    if threads < MIN_THREADS:
        return Comparison(*values, None)
    rng = np.random.default_rng(seed)
    both = np.concatenate([first, second], axis=1)
    chances = np.full(len(both), 1 / len(both))
    sums = np.concatenate(
        [rng.multinomial(len(both), chances, BATCH_SIZE) @ both for _ in range(NUM_BATCHES)]
    )
    # A resample may draw no thread that counts.
    sums = sums[(sums[:, 1] > 0) & (sums[:, 3] > 0)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(sums[:, 2] / sums[:, 3] - sums[:, 0] / sums[:, 1], [tail, 1 - tail])
    return Comparison(*values, Interval(float(low), float(high)))


def _divide(sums: NDArray[np.float64]) -> float | None:
    return float(sums[0] / sums[1]) if sums[1] else None
