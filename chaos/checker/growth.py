"""Pure: whether what a process uses grows as time goes by."""

import statistics
from collections.abc import Sequence
from typing import Final

HOUR: Final = 3600.0
Series = Sequence[tuple[float, float]]
"""Moments (s) and amounts, oldest first."""


def settled(series: Series) -> Series:
    """Return the last two thirds: until then a process fills its caches."""
    return series[len(series) // 3 :]


def slope(series: Series) -> float:
    """Return by how much an amount grows in an hour, as the straight line through it says."""
    if len(series) < 2:
        return 0.0
    moments, amounts = zip(*series, strict=True)
    return statistics.linear_regression(moments, amounts).slope * HOUR


def rise(series: Series) -> float:
    """Return by how much the last third's median lies above the first's."""
    amounts = [amount for _, amount in series]
    third = max(1, len(amounts) // 3)
    return statistics.median(amounts[-third:]) - statistics.median(amounts[:third])
