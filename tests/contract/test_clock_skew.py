"""Clock skew: Slack's time by its `Date` header, and one warning for wrong clocks."""

import pytest
from structlog.testing import capture_logs

from contract import clock_skew

NOON = 1_700_000_000.0


@pytest.mark.parametrize("name", ["Date", "date"])
def test_server_time_is_the_date_header(name: str) -> None:
    """The header's name may have any case."""
    assert (
        clock_skew.server_time({"Server": "Apache", name: "Tue, 14 Nov 2023 22:13:20 GMT"}) == NOON
    )


@pytest.mark.parametrize("said", ["", "soon", "Tue, 99 Nov 2023 22:13:20 GMT", "\u0000"])
def test_missing_or_invalid_date_gives_none(said: str) -> None:
    """A proxy may drop or damage any header."""
    assert clock_skew.server_time({"Date": said}) is None
    assert clock_skew.server_time({}) is None


def test_skewed_clocks_are_logged_in_one_line() -> None:
    """The line gives each skew; a minute is tolerated, and so is a response without a date."""
    with capture_logs() as logs:
        clock_skew.warn_on_skew(NOON, machine=NOON + 59, redis=NOON - 60)
        clock_skew.warn_on_skew(None, machine=NOON)
        assert logs == []
        clock_skew.warn_on_skew(NOON, machine=NOON + 3600.4, redis=NOON - 86400, other=NOON)

    assert [(line["log_level"], line["machine"], line["redis"]) for line in logs] == [
        ("warning", 3600, -86400)
    ]
    assert "other" not in logs[0]
