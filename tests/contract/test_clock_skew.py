"""What Slack's answers say of the time, and whom a clock that is off is told to."""

import pytest
from structlog.testing import capture_logs

from contract import clock_skew

NOON = 1_700_000_000.0


@pytest.mark.parametrize("name", ["Date", "date"])
def test_an_answer_says_when_it_was_given(name: str) -> None:
    """However its header is written."""
    assert (
        clock_skew.server_time({"Server": "Apache", name: "Tue, 14 Nov 2023 22:13:20 GMT"}) == NOON
    )


@pytest.mark.parametrize("said", ["", "soon", "Tue, 99 Nov 2023 22:13:20 GMT", "\u0000"])
def test_an_answer_may_say_nothing_of_it(said: str) -> None:
    """A proxy may drop or spoil any header."""
    assert clock_skew.server_time({"Date": said}) is None
    assert clock_skew.server_time({}) is None


def test_clocks_that_are_off_are_named_in_one_line() -> None:
    """Which, and by how much; a minute is let pass, and so is a Slack that says nothing."""
    with capture_logs() as logs:
        clock_skew.warn_on_skew(NOON, machine=NOON + 59, redis=NOON - 60)
        clock_skew.warn_on_skew(None, machine=NOON)
        assert logs == []
        clock_skew.warn_on_skew(NOON, machine=NOON + 3600.4, redis=NOON - 86400, other=NOON)

    assert [(line["log_level"], line["machine"], line["redis"]) for line in logs] == [
        ("warning", 3600, -86400)
    ]
    assert "other" not in logs[0]
