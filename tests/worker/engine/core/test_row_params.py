"""Random numbers of sampling: SplitMix64, uniform and independent for each seed and index."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from worker.engine.core.row_params import GOLDEN_GAMMA, draw_uniform, mix_bits

SIDE = 1024
"""Seeds and indices of a grid: about a million numbers."""

Numbers = NDArray[np.uint64]


def draw_grid(first_seed: int = 0, seed_step: int = 1, first_index: int = 0) -> Numbers:
    """Return the 53 random bits of `[seeds, indices]`."""
    seeds = np.uint64(first_seed) + np.arange(SIDE, dtype=np.uint64) * np.uint64(seed_step)
    indices = np.arange(first_index, first_index + SIDE, dtype=np.uint64)
    numbers = draw_uniform(seeds.repeat(SIDE), np.tile(indices, SIDE))
    return (numbers * 2.0**53).astype(np.uint64).reshape(SIDE, SIDE)


def deviation(cells: NDArray[np.int64], num_cells: int) -> float:
    """
    Return how many standard deviations the chi-square statistic of equal cells is off its mean.

    With a thousand degrees of freedom it is nearly normal.
    """
    counts = np.bincount(cells.ravel(), minlength=num_cells)
    expected = cells.size / num_cells
    statistic = float(((counts - expected) ** 2 / expected).sum())
    free = num_cells - 1
    return abs(statistic - free) / math.sqrt(2 * free)


def test_generator_is_splitmix64() -> None:
    """The published outputs for the seed 1234567."""
    states = np.uint64(1234567) + np.arange(1, 6, dtype=np.uint64) * GOLDEN_GAMMA

    assert mix_bits(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(st.integers(0, 2**64 - 1), st.integers(0, 8191))
def test_random_number_depends_on_seed_and_index_only(seed: int, index: int) -> None:
    """A restarted reply draws the same numbers, beside any others."""
    seeds = np.array([seed, 1, seed], np.uint64)
    indices = np.array([index, 2, index], np.uint64)

    first, _, again = draw_uniform(seeds, indices)
    [alone] = draw_uniform(seeds[:1], indices[:1])

    assert first == again == alone
    assert 0 <= first < 1


@pytest.mark.parametrize("seed_step", [1, 2**16, 2**32, int(GOLDEN_GAMMA)])
def test_random_numbers_are_uniform(seed_step: int) -> None:
    """
    A million numbers of near and far seeds fill 1,024 cells evenly, by their first and last bits.

    Power: a cell probability that is 2 % off in half of the cells has a non-centrality of 419, 9
    standard deviations. A uniform generator fails with 0.0005; the seeds are fixed, and it doesn't.
    """
    numbers = draw_grid(seed_step=seed_step)

    assert deviation((numbers >> np.uint64(43)).astype(np.int64), 1024) < 3.5
    assert deviation((numbers & np.uint64(1023)).astype(np.int64), 1024) < 3.5
    for line in (numbers[0], numbers[:, 0]):
        assert deviation((line >> np.uint64(47)).astype(np.int64), 64) < 3.5


@pytest.mark.parametrize(
    "shift",
    [
        lambda: draw_grid(first_index=1),
        lambda: draw_grid(first_seed=1),
        lambda: draw_grid(first_seed=1, first_index=1),
        lambda: draw_grid(first_index=8191),
        lambda: draw_grid(seed_step=2),
        lambda: draw_grid(first_seed=2**63),
        lambda: draw_grid(first_seed=int(GOLDEN_GAMMA)),
    ],
    ids=["index", "seed", "both", "far index", "double seed", "highest bit", "gamma"],
)
def test_random_numbers_of_neighbours_are_independent(shift: Callable[[], Numbers]) -> None:
    """A million pairs fill 32 by 32 cells evenly."""
    first, second = (numbers >> np.uint64(48) for numbers in (draw_grid(first_seed=3), shift()))

    assert deviation((first * np.uint64(32) + second).astype(np.int64), 1024) < 3.5


@pytest.mark.parametrize("seed_step", [1, int(GOLDEN_GAMMA)])
def test_no_two_random_numbers_are_equal(seed_step: int) -> None:
    """Seeds don't share their numbers. A million of 53 bits collide with a chance of 0.0001."""
    in_order = np.sort(draw_grid(seed_step=seed_step), axis=None)

    assert in_order.size == SIDE * SIDE
    assert np.all(np.diff(in_order) > 0)


def test_each_bit_of_seed_and_index_changes_half_of_the_bits() -> None:
    """Avalanche: each of 53 bits flips in half of 4,096 cases, within 5 standard deviations."""
    dice = np.random.default_rng(1)
    seeds = dice.integers(2**64, size=4096, dtype=np.uint64)
    indices = dice.integers(8192, size=4096, dtype=np.uint64)

    def draw_bits(seeds: Numbers, indices: Numbers) -> Numbers:
        return (draw_uniform(seeds, indices) * 2.0**53).astype(np.uint64)

    before = draw_bits(seeds, indices)
    flipped = [draw_bits(seeds ^ np.uint64(1 << bit), indices) for bit in range(64)]
    flipped += [draw_bits(seeds, indices ^ np.uint64(1 << bit)) for bit in range(13)]

    shares = [
        ((before ^ after) >> np.uint64(bit) & np.uint64(1)).mean()
        for after in flipped
        for bit in range(53)
    ]
    assert min(shares) > 0.461
    assert max(shares) < 0.539
