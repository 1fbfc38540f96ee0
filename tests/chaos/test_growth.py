"""Growth of a sampled resource: slope, warm-up and rise."""

import pytest

from chaos.checker.growth import SECONDS_PER_HOUR, hourly_slope, median_rise, skip_warm_up


def test_slope_is_per_hour() -> None:
    """Noise does not change the slope; one sample has slope 0."""
    line = [(10.0 * n, 100 + n / 6 + (-1) ** n) for n in range(360)]
    assert hourly_slope(line) == pytest.approx(60, rel=0.05)
    assert hourly_slope([(0.0, 7.0)] * 1) == hourly_slope([]) == 0


def test_growth_while_warming_up_is_skipped() -> None:
    """After the warm-up the slope is 0."""
    filling = [(float(n), min(n, 100)) for n in range(600)]
    assert hourly_slope(filling) > SECONDS_PER_HOUR / 60
    assert hourly_slope(skip_warm_up(filling)) == pytest.approx(0)


def test_rise_compares_the_last_third_with_the_first() -> None:
    """A single peak is no rise."""
    assert median_rise([(n, 20 + (n == 95) * 50) for n in range(100)]) == 0
    assert median_rise([(n, n) for n in range(99)]) == 66
