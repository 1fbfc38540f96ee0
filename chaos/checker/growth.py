"""Pure: whether what a process uses grows as time goes by."""

import statistics
from collections.abc import Sequence
from typing import Final

SECONDS_PER_HOUR: Final = 3600.0
TimeSeries = Sequence[tuple[float, float]]
"""Moments (s) and amounts, oldest first."""


def skip_warm_up(series: TimeSeries) -> TimeSeries:
    """Return the last two thirds: until then a process fills its caches."""
    return series[len(series) // 3 :]


def hourly_slope(series: TimeSeries) -> float:
    """Return by how much an amount grows in an hour, as the straight line through it says."""
    if len(series) < 2:
        return 0.0
    moments, amounts = zip(*series, strict=True)
    return statistics.linear_regression(moments, amounts).slope * SECONDS_PER_HOUR


def median_rise(series: TimeSeries) -> float:
    """Return by how much the last third's median lies above the first's."""
    amounts = [amount for _, amount in series]
    third = max(1, len(amounts) // 3)
    return statistics.median(amounts[-third:]) - statistics.median(amounts[:third])
