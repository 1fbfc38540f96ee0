"""
Slack's error names and what each means for a call; the same in both processes.

An error name is the `error` field of a Web API response. `classify_error` is exhaustive: for each
method, a name means exactly one `ErrorKind`. An unlisted name is a rejection of the call.
"""

from enum import Enum
from typing import Final

LAST_DELIVERY_ATTEMPT: Final = 3
"""`X-Slack-Retry-Num` of Slack's last delivery of an event; the first delivery has none (0)."""

HTTP_OK: Final = 200
HTTP_TOO_MANY_REQUESTS: Final = 429

MIN_RETRY_AFTER_SECONDS: Final = 1.0
MAX_RETRY_AFTER_SECONDS: Final = 3600.0

INVALID_TOKEN_ERRORS: Final = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
    }
)
"""The token is not valid, or no longer."""

SCOPE_ERRORS: Final = frozenset({"missing_scope", "no_permission"})
"""The token is valid, but may not call this method."""

TOKEN_ERRORS: Final = INVALID_TOKEN_ERRORS | SCOPE_ERRORS
"""The token has to be replaced: at startup, each is a wrong setting."""

APP_ERRORS: Final = INVALID_TOKEN_ERRORS | frozenset(
    {
        "org_login_required",
        "two_factor_setup_required",
        "team_access_not_granted",
        "enterprise_is_restricted",
        "accesslimited",
    }
)
"""Slack refuses the whole app: its token, its workspace, or its network."""

ESSENTIAL_METHODS: Final = frozenset(
    {"apps.connections.open", "auth.test", "chat.postMessage", "chat.update"}
)
"""Without one of these methods the app can answer no question."""

ESSENTIAL_METHOD_ERRORS: Final = frozenset(
    {"missing_scope", "ekm_access_denied", "method_deprecated", "deprecated_endpoint"}
)
"""Errors of the whole app if an essential method has them; of one call if another method has."""

ACCESS_ERRORS: Final = SCOPE_ERRORS | frozenset(
    {
        "not_in_channel",
        "channel_not_found",
        "access_denied",
        "ekm_access_denied",
        "channel_is_limited_access",
        "method_not_supported_for_channel_type",
    }
)
"""The bot has no access to the channel."""

THREAD_NOT_FOUND: Final = "thread_not_found"
"""The root of a thread is deleted, or too new for Slack's history."""
UNREADABLE_ERRORS: Final = ACCESS_ERRORS | frozenset({THREAD_NOT_FOUND})
"""The bot cannot read a thread, and a retry would not change that."""

PERMISSION_ERRORS: Final = ACCESS_ERRORS | frozenset(
    {
        "is_archived",
        "is_inactive",
        "posting_to_channel_denied",
        "messages_tab_disabled",
    }
)
"""The bot may not post in the channel, and a retry would not change that."""

GONE_ERRORS: Final = frozenset({"message_not_found", THREAD_NOT_FOUND, "cannot_reply_to_message"})
"""The message or its thread was deleted."""

NOT_EDITABLE_ERRORS: Final = frozenset({"cant_update_message", "edit_window_closed"})
"""The workspace forbids edits, or forbids them some minutes after the post."""

RATE_LIMIT_ERRORS: Final = frozenset({"ratelimited", "rate_limited"})
"""Too many calls of one method. Slack did not execute the call; a retry is safe."""

CHANNEL_LIMIT_ERRORS: Final = frozenset({"message_limit_exceeded"})
"""Too many messages in one channel. Slack did not execute the call; a retry is safe."""

AMBIGUOUS_ERRORS: Final = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "update_failed",
    }
)
"""The call failed, but Slack may have executed part of it: only idempotent calls may be retried."""

TRANSIENT_ERRORS: Final = AMBIGUOUS_ERRORS | frozenset(
    {"team_added_to_org", "external_channel_migrating"}
)
"""The call failed for a reason that passes."""


class ErrorKind(Enum):
    """Consequence of a failed call."""

    APP_REFUSED = "app_refused"
    """Slack refuses the whole app for now: no verdict on the message, the thread or the job."""
    GONE = "gone"
    NOT_ALLOWED = "not_allowed"
    NOT_EDITABLE = "not_editable"
    RATE_LIMITED = "rate_limited"
    TRANSIENT = "transient"
    REJECTED = "rejected"


KINDS_BY_NAME: Final = {
    **dict.fromkeys(TRANSIENT_ERRORS, ErrorKind.TRANSIENT),
    **dict.fromkeys(NOT_EDITABLE_ERRORS, ErrorKind.NOT_EDITABLE),
    **dict.fromkeys(PERMISSION_ERRORS, ErrorKind.NOT_ALLOWED),
    **dict.fromkeys(GONE_ERRORS, ErrorKind.GONE),
}
"""Kinds of errors that mean the same for every method."""


def is_app_error(method: str, error_name: str) -> bool:
    """Return whether an error name concerns the whole app, and not one channel or message."""
    return error_name in APP_ERRORS or (
        method in ESSENTIAL_METHODS and error_name in ESSENTIAL_METHOD_ERRORS
    )


def classify_error(method: str, http_status: int, error_name: str) -> ErrorKind:
    """Classify a failed call by its HTTP status and Slack's error name (empty if there is none)."""
    if (
        http_status == HTTP_TOO_MANY_REQUESTS
        or error_name in RATE_LIMIT_ERRORS | CHANNEL_LIMIT_ERRORS
    ):
        return ErrorKind.RATE_LIMITED
    if is_app_error(method, error_name):
        return ErrorKind.APP_REFUSED
    if error_name.startswith("restricted_action"):
        return ErrorKind.NOT_ALLOWED
    if error_name in KINDS_BY_NAME:
        return KINDS_BY_NAME[error_name]
    is_lost = http_status != HTTP_OK or not error_name
    return ErrorKind.TRANSIENT if is_lost else ErrorKind.REJECTED


def describe_rejected_token(variable: str, error_name: str) -> str:
    """Return one line for an operator about a token that Slack rejects at the start."""
    return f"{variable} must be a token that Slack accepts, not the given one ({error_name})"


def retry_after_seconds(header: str | None, default: float = MIN_RETRY_AFTER_SECONDS) -> float:
    """
    Return the seconds of a `Retry-After` header, from 1 to 3600.

    If the header is missing or is no number, return `default` (s).
    """
    if not header:
        return default
    try:
        seconds = float(header)
    except ValueError:
        return default
    # In this order of arguments "nan" becomes the minimum.
    return min(max(MIN_RETRY_AFTER_SECONDS, seconds), MAX_RETRY_AFTER_SECONDS)
