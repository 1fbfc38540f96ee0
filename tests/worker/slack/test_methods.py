"""What the errors of Slack mean, each to exactly one end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.slack.methods import (
    GONE_ERRORS,
    NOT_EDITABLE_ERRORS,
    PERMISSION_ERRORS,
    RATE_LIMIT_ERRORS,
    TRANSIENT_ERRORS,
    ErrorKind,
    classify_error,
    parse_retry_after,
)


def test_each_known_error_means_one_thing() -> None:
    """No name stands in two lists."""
    lists = [
        NOT_EDITABLE_ERRORS,
        GONE_ERRORS,
        RATE_LIMIT_ERRORS,
        PERMISSION_ERRORS,
        TRANSIENT_ERRORS,
    ]
    assert sum(map(len, lists)) == len(frozenset().union(*lists))


@pytest.mark.parametrize(
    ("status", "error", "means"),
    [
        (429, "ratelimited", ErrorKind.RATE_LIMITED),
        (429, "", ErrorKind.RATE_LIMITED),
        (200, "rate_limited", ErrorKind.RATE_LIMITED),
        (200, "message_not_found", ErrorKind.GONE),
        (200, "is_archived", ErrorKind.NOT_ALLOWED),
        (200, "restricted_action_thread_locked", ErrorKind.NOT_ALLOWED),
        (200, "accesslimited", ErrorKind.NOT_ALLOWED),
        (200, "edit_window_closed", ErrorKind.NOT_EDITABLE),
        (200, "internal_error", ErrorKind.TRANSIENT),
        (200, "update_failed", ErrorKind.TRANSIENT),
        (200, "external_channel_migrating", ErrorKind.TRANSIENT),
        (503, "", ErrorKind.TRANSIENT),
        (500, "msg_too_long", ErrorKind.TRANSIENT),
        (200, "", ErrorKind.TRANSIENT),
        (200, "msg_too_long", ErrorKind.REJECTED),
        (200, "an_error_nobody_knows_yet", ErrorKind.REJECTED),
    ],
)
def test_an_answer_of_slack_means(status: int, error: str, means: ErrorKind) -> None:
    """Status and name together say whether to wait, to repeat, to end or to give up."""
    assert classify_error(status, error) is means


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30), ("1.5", 1.5), (None, 1), ("", 1), ("abc", 1), ("0", 1), ("-5", 1), ("nan", 1)],
)
def test_how_long_slack_wants_to_be_left_alone(header: str | None, seconds: float) -> None:
    """A header that says nothing sensible counts as a second."""
    assert parse_retry_after(header) == seconds


@given(st.text())
def test_no_header_stops_us_for_long_or_not_at_all(header: str) -> None:
    """Whatever Slack sends, the pause is between a second and an hour."""
    assert 1 <= parse_retry_after(header) <= 3600
