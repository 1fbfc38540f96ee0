"""Sums of what replies used: by day, as Redis has them."""

import pytest

from contract.usage import USAGE_DAYS, WAIT_BOUNDS_SECONDS, name_days, name_wait_field, sum_days


@pytest.mark.parametrize(
    ("wait_ms", "bound"), [(0, 1), (1000, 1), (1001, 2), (59_000, 60), (10**9, 3600)]
)
def test_wait_is_counted_below_its_bound(wait_ms: int, bound: int) -> None:
    """The longest waits count with the last bound."""
    assert name_wait_field(wait_ms) == f"wait_{bound}"


def test_days_are_summed() -> None:
    """A missing day and a missing field count as nothing."""
    week = sum_days(
        [
            {"gpu_ms": "1500", "replies": "2", "wait_1": "1", "wait_30": "1"},
            {},
            {"gpu_ms": "500", "replies": "1", "wait_30": "1"},
        ]
    )

    assert (week.gpu_ms, week.replies) == (2000, 3)
    assert {bound: count for bound, count in week.waits.items() if count} == {1: 1, 30: 2}


@pytest.mark.parametrize("value", ["", "-1", "1.5", "many", "1" * 16, "٣", "<!channel>"])
def test_what_is_no_count_counts_as_nothing(value: str) -> None:
    """A person with access to Redis cannot break the page."""
    assert sum_days([{"gpu_ms": value, "replies": value, "wait_1": value}]).replies == 0


def test_half_of_the_replies_began_within_the_median() -> None:
    """With an even number, the shorter of the two."""
    assert sum_days([]).median_wait_seconds is None
    assert sum_days([{"wait_5": "1"}]).median_wait_seconds == 5
    assert sum_days([{"wait_1": "2", "wait_5": "1", "wait_60": "1"}]).median_wait_seconds == 1
    assert sum_days([{"wait_1": "1", "wait_5": "1", "wait_60": "3"}]).median_wait_seconds == 60
    assert sum_days([{"wait_3600": "1"}]).median_wait_seconds == WAIT_BOUNDS_SECONDS[-1]


def test_a_week_ends_today() -> None:
    """Seven keys, the present day first."""
    names = name_days("starchat:T1:usage:team", 20_787)
    assert names[0] == "starchat:T1:usage:team:20787"
    assert names[-1] == "starchat:T1:usage:team:20781"
    assert len(names) == USAGE_DAYS
