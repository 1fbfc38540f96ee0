"""Growth of a resource over time: linear regression and median rise. Pure functions."""

import statistics
from collections.abc import Sequence
from typing import Final

SECONDS_PER_HOUR: Final = 3600.0
TimeSeries = Sequence[tuple[float, float]]
"""Pairs of time in seconds and amount, oldest first."""


def skip_warm_up(series: TimeSeries) -> TimeSeries:
    """Return the last two thirds of a series: before, a process fills its caches."""
    return series[len(series) // 3 :]


def hourly_slope(series: TimeSeries) -> float:
    """Return the slope of the regression line, in amount per hour."""
    if len(series) < 2:
        return 0.0
    moments, amounts = zip(*series, strict=True)
    return statistics.linear_regression(moments, amounts).slope * SECONDS_PER_HOUR


def median_rise(series: TimeSeries) -> float:
    """Return the median of the last third minus the median of the first."""
    amounts = [amount for _, amount in series]
    third = max(1, len(amounts) // 3)
    return statistics.median(amounts[-third:]) - statistics.median(amounts[:third])
