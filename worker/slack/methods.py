"""The methods of Slack's Web API that the worker uses, and what Slack's errors mean for them."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from worker.slack.rate_limits import RateLimit

HTTP_OK: Final = 200
HTTP_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True)
class SlackMethod:
    """What must be known before a method is called. `per_channel` budgets are per channel."""

    name: str
    rate_limit: RateLimit
    idempotent: bool
    per_channel: bool = False
    http_verb: str = "POST"


POST_MESSAGE: Final = SlackMethod(
    "chat.postMessage", RateLimit(5, 60), idempotent=False, per_channel=True
)
UPDATE_MESSAGE: Final = SlackMethod("chat.update", RateLimit(40, 50, 12), idempotent=True)
DELETE_MESSAGE: Final = SlackMethod("chat.delete", RateLimit(40, 50), idempotent=True)
LIST_REPLIES: Final = SlackMethod(
    "conversations.replies", RateLimit(40, 50), idempotent=True, http_verb="GET"
)
GET_UPLOAD_URL: Final = SlackMethod(
    "files.getUploadURLExternal", RateLimit(50, 100), idempotent=True, http_verb="GET"
)
COMPLETE_UPLOAD: Final = SlackMethod(
    "files.completeUploadExternal", RateLimit(50, 100), idempotent=False
)

GONE_ERRORS: Final = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
TOKEN_ERRORS: Final = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "org_login_required",
        "two_factor_setup_required",
        "not_allowed_token_type",
    }
)
PERMISSION_ERRORS: Final = TOKEN_ERRORS | frozenset(
    {
        "is_archived",
        "not_in_channel",
        "channel_not_found",
        "is_inactive",
        "posting_to_channel_denied",
        "no_permission",
        "missing_scope",
        "method_not_supported_for_channel_type",
        "team_access_not_granted",
        "access_denied",
        "ekm_access_denied",
        "accesslimited",
        "enterprise_is_restricted",
        "channel_is_limited_access",
        "messages_tab_disabled",
    }
)
NOT_EDITABLE_ERRORS: Final = frozenset({"cant_update_message", "edit_window_closed"})
"""A workspace may forbid that messages are changed, or are after some minutes."""
RATE_LIMIT_ERRORS: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
TRANSIENT_ERRORS: Final = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "external_channel_migrating",
        "update_failed",
    }
)


class ErrorKind(Enum):
    """What an error of Slack means for the call."""

    GONE = "gone"
    NOT_ALLOWED = "not_allowed"
    NOT_EDITABLE = "fixed"
    RATE_LIMITED = "limited"
    TRANSIENT = "transient"
    REJECTED = "refused"


def classify_error(status: int, error_name: str) -> ErrorKind:
    """Say what an HTTP status and Slack's name of the error mean."""
    if status == HTTP_TOO_MANY_REQUESTS or error_name in RATE_LIMIT_ERRORS:
        return ErrorKind.RATE_LIMITED
    if error_name in GONE_ERRORS:
        return ErrorKind.GONE
    if error_name in PERMISSION_ERRORS or error_name.startswith("restricted_action"):
        return ErrorKind.NOT_ALLOWED
    if error_name in NOT_EDITABLE_ERRORS:
        return ErrorKind.NOT_EDITABLE
    if status != HTTP_OK or not error_name or error_name in TRANSIENT_ERRORS:
        return ErrorKind.TRANSIENT
    return ErrorKind.REJECTED


def parse_retry_after(value: str | None) -> float:
    """Return the seconds in a `Retry-After` header; 1 where it is missing or says nothing."""
    try:
        return min(max(1.0, float(value or 1)), 3600.0)  # in this order "nan" is 1
    except ValueError:
        return 1.0
