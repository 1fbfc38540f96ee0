"""Slack's error names: each means one thing, and a retry waits for the right time."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.slack_errors import (
    ACCESS_ERRORS,
    AMBIGUOUS_ERRORS,
    APP_ERRORS,
    CHANNEL_LIMIT_ERRORS,
    ESSENTIAL_METHOD_ERRORS,
    ESSENTIAL_METHODS,
    GONE_ERRORS,
    NOT_EDITABLE_ERRORS,
    PERMISSION_ERRORS,
    RATE_LIMIT_ERRORS,
    TRANSIENT_ERRORS,
    UNREADABLE_ERRORS,
    ErrorKind,
    classify_error,
    describe_rejected_token,
    retry_after_seconds,
)

READ_METHOD = "conversations.replies"
NAMES_BY_KIND = {
    ErrorKind.APP_REFUSED: APP_ERRORS,
    ErrorKind.GONE: GONE_ERRORS,
    ErrorKind.NOT_ALLOWED: PERMISSION_ERRORS,
    ErrorKind.NOT_EDITABLE: NOT_EDITABLE_ERRORS,
    ErrorKind.RATE_LIMITED: RATE_LIMIT_ERRORS | CHANNEL_LIMIT_ERRORS,
    ErrorKind.TRANSIENT: TRANSIENT_ERRORS,
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in NAMES_BY_KIND.items() for name in names]
)
def test_each_name_means_its_kind(kind: ErrorKind, name: str) -> None:
    """Slack sends most error names with HTTP status 200."""
    assert classify_error(READ_METHOD, 200, name) is kind


def test_no_name_means_two_kinds() -> None:
    """The sets of different kinds are disjoint."""
    for one, other in combinations(NAMES_BY_KIND.values(), 2):
        assert one.isdisjoint(other)


@pytest.mark.parametrize(
    ("http_status", "name", "kind"),
    [
        (429, "ratelimited", ErrorKind.RATE_LIMITED),
        (429, "", ErrorKind.RATE_LIMITED),
        (429, "internal_error", ErrorKind.RATE_LIMITED),
        (200, "restricted_action_thread_locked", ErrorKind.NOT_ALLOWED),
        (200, "restricted_action", ErrorKind.NOT_ALLOWED),
        (503, "", ErrorKind.TRANSIENT),
        (500, "msg_too_long", ErrorKind.TRANSIENT),
        (200, "", ErrorKind.TRANSIENT),
        (200, "msg_too_long", ErrorKind.REJECTED),
        (200, "an_unknown_error", ErrorKind.REJECTED),
    ],
)
def test_http_status_and_name_give_the_kind(http_status: int, name: str, kind: ErrorKind) -> None:
    """A status other than 200 is transient; an unknown name is a rejection."""
    assert classify_error("chat.update", http_status, name) is kind


def test_unreadable_threads_are_never_retried() -> None:
    """What the bot gives up on, the worker gives up on too."""
    given_up = {ErrorKind.GONE, ErrorKind.NOT_ALLOWED}

    assert {classify_error(READ_METHOD, 200, name) for name in UNREADABLE_ERRORS} == given_up
    assert PERMISSION_ERRORS > ACCESS_ERRORS


@pytest.mark.parametrize("method", sorted(ESSENTIAL_METHODS))
@pytest.mark.parametrize("name", sorted(APP_ERRORS | ESSENTIAL_METHOD_ERRORS))
def test_refusal_of_an_essential_method_concerns_the_app(method: str, name: str) -> None:
    """Without the method no question can be answered, so that no question is over."""
    assert classify_error(method, 200, name) is ErrorKind.APP_REFUSED
    assert classify_error(method, 401, name) is ErrorKind.APP_REFUSED


@pytest.mark.parametrize("name", sorted(ESSENTIAL_METHOD_ERRORS))
def test_missing_scope_of_another_method_concerns_one_call(name: str) -> None:
    """A bot that may not read private channels still answers in public ones."""
    assert classify_error(READ_METHOD, 200, name) is not ErrorKind.APP_REFUSED


def test_ambiguous_errors_are_transient() -> None:
    """Slack may have executed the call, so only an idempotent call is retried."""
    assert AMBIGUOUS_ERRORS < TRANSIENT_ERRORS


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("1.5", 1.5),
        ("0", 1),
        ("-5", 1),
        ("nan", 1),
        ("inf", 3600),
        (None, 0.5),
        ("", 0.5),
        ("soon", 0.5),
    ],
)
def test_retry_after_is_bounded_or_the_default(header: str | None, seconds: float) -> None:
    """A missing or invalid header gives exactly the default; a number is bounded."""
    assert retry_after_seconds(header, default=0.5) == seconds


@given(st.text())
def test_retry_after_is_a_second_to_an_hour_by_default(header: str) -> None:
    """No header can stop the caller for long, or make it retry at once."""
    assert 1 <= retry_after_seconds(header) <= 3600


def test_rejected_token_is_told_without_the_token() -> None:
    """One line with the variable, what is expected, and Slack's reason."""
    assert describe_rejected_token("SLACK_BOT_TOKEN", "invalid_auth") == (
        "SLACK_BOT_TOKEN must be a token that Slack accepts, not the given one (invalid_auth)"
    )
