"""
Bootstrap: an interval for the difference of two models, on the same threads or on others. Pure.

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
    return Comparison(*values, _find_interval(_resample(rng, both)))


def compare_independent(
    first: NDArray[np.float64], second: NDArray[np.float64], seed: int
) -> Comparison:
    """Compare two ratios of sums over different threads, each given as `[T, 2]`."""
    values = (_divide(first.sum(0)), _divide(second.sum(0)))
    threads = min(np.count_nonzero(sums[:, 1]) for sums in (first, second))
    if threads < MIN_THREADS:
        return Comparison(*values, None)
    rng = np.random.default_rng(seed)
    drawn = [_resample(rng, sums) for sums in (first, second)]
    return Comparison(*values, _find_interval(np.concatenate(drawn, axis=1)))


def _resample(rng: np.random.Generator, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of resamples of threads, drawn with replacement."""
    chances = np.full(len(sums), 1 / len(sums))
    return np.concatenate(
        [rng.multinomial(len(sums), chances, BATCH_SIZE) @ sums for _ in range(NUM_BATCHES)]
    )


def _find_interval(sums: NDArray[np.float64]) -> Interval:
    """Return the interval of the difference of two ratios, from resampled sums `[R, 4]`."""
    # A resample may draw no thread that counts.
    sums = sums[(sums[:, 1] > 0) & (sums[:, 3] > 0)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(sums[:, 2] / sums[:, 3] - sums[:, 0] / sums[:, 1], [tail, 1 - tail])
    return Interval(float(low), float(high))


def _divide(sums: NDArray[np.float64]) -> float | None:
    return float(sums[0] / sums[1]) if sums[1] else None
