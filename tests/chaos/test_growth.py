"""What the soak says of its samples."""

import pytest

from chaos.checker.growth import HOUR, rise, settled, slope


def test_a_slope_is_by_the_hour() -> None:
    """Noise around a line does not matter, nor does a line of one moment."""
    line = [(10.0 * n, 100 + n / 6 + (-1) ** n) for n in range(360)]
    assert slope(line) == pytest.approx(60, rel=0.05)
    assert slope([(0.0, 7.0)] * 1) == slope([]) == 0


def test_what_fills_in_the_beginning_is_let_pass() -> None:
    """A process that has its caches grows no more."""
    filling = [(float(n), min(n, 100)) for n in range(600)]
    assert slope(filling) > HOUR / 60
    assert slope(settled(filling)) == pytest.approx(0)


def test_a_rise_is_between_the_ends() -> None:
    """A single peak is none."""
    assert rise([(n, 20 + (n == 95) * 50) for n in range(100)]) == 0
    assert rise([(n, n) for n in range(99)]) == 66
