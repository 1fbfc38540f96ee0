"""What the errors of Slack mean, each to exactly one end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.slack.methods import (
    FIXED,
    GONE,
    LIMITED,
    NOT_ALLOWED,
    TRANSIENT,
    Meaning,
    meaning,
    retry_after,
)


def test_each_known_error_means_one_thing() -> None:
    """No name stands in two lists."""
    lists = [FIXED, GONE, LIMITED, NOT_ALLOWED, TRANSIENT]
    assert sum(map(len, lists)) == len(frozenset().union(*lists))


@pytest.mark.parametrize(
    ("status", "error", "means"),
    [
        (429, "ratelimited", Meaning.LIMITED),
        (429, "", Meaning.LIMITED),
        (200, "rate_limited", Meaning.LIMITED),
        (200, "message_not_found", Meaning.GONE),
        (200, "is_archived", Meaning.NOT_ALLOWED),
        (200, "restricted_action_thread_locked", Meaning.NOT_ALLOWED),
        (200, "accesslimited", Meaning.NOT_ALLOWED),
        (200, "edit_window_closed", Meaning.FIXED),
        (200, "internal_error", Meaning.TRANSIENT),
        (200, "update_failed", Meaning.TRANSIENT),
        (200, "external_channel_migrating", Meaning.TRANSIENT),
        (503, "", Meaning.TRANSIENT),
        (500, "msg_too_long", Meaning.TRANSIENT),
        (200, "", Meaning.TRANSIENT),
        (200, "msg_too_long", Meaning.REFUSED),
        (200, "an_error_nobody_knows_yet", Meaning.REFUSED),
    ],
)
def test_an_answer_of_slack_means(status: int, error: str, means: Meaning) -> None:
    """Status and name together say whether to wait, to repeat, to end or to give up."""
    assert meaning(status, error) is means


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30), ("1.5", 1.5), (None, 1), ("", 1), ("abc", 1), ("0", 1), ("-5", 1), ("nan", 1)],
)
def test_how_long_slack_wants_to_be_left_alone(header: str | None, seconds: float) -> None:
    """A header that says nothing sensible counts as a second."""
    assert retry_after(header) == seconds


@given(st.text())
def test_no_header_stops_us_for_long_or_not_at_all(header: str) -> None:
    """Whatever Slack sends, the pause is between a second and an hour."""
    assert 1 <= retry_after(header) <= 3600
