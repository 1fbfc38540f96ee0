"""The methods of Slack's Web API that the worker uses, and what Slack's errors mean for them."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from worker.slack.rate_limits import Budget

OK: Final = 200
TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Method:
    """What must be known before a method is called. `per_channel` budgets are per channel."""

    name: str
    budget: Budget
    repeatable: bool
    per_channel: bool = False
    verb: str = "POST"


POST: Final = Method("chat.postMessage", Budget(5, 60), repeatable=False, per_channel=True)
UPDATE: Final = Method("chat.update", Budget(40, 50, 12), repeatable=True)
DELETE: Final = Method("chat.delete", Budget(40, 50), repeatable=True)
REPLIES: Final = Method("conversations.replies", Budget(40, 50), repeatable=True, verb="GET")
UPLOAD: Final = Method("files.getUploadURLExternal", Budget(50, 100), repeatable=True, verb="GET")
COMPLETE: Final = Method("files.completeUploadExternal", Budget(50, 100), repeatable=False)

GONE: Final = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
NO_TOKEN: Final = frozenset(
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
NOT_ALLOWED: Final = NO_TOKEN | frozenset(
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
FIXED: Final = frozenset({"cant_update_message", "edit_window_closed"})
"""A workspace may forbid that messages are changed, or are after some minutes."""
LIMITED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
TRANSIENT: Final = frozenset(
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


class Meaning(Enum):
    """What an error of Slack means for the call."""

    GONE = "gone"
    NOT_ALLOWED = "not_allowed"
    FIXED = "fixed"
    LIMITED = "limited"
    TRANSIENT = "transient"
    REFUSED = "refused"


def meaning(status: int, error: str) -> Meaning:
    """Say what an HTTP status and Slack's name of the error mean."""
    if status == TOO_MANY or error in LIMITED:
        return Meaning.LIMITED
    if error in GONE:
        return Meaning.GONE
    if error in NOT_ALLOWED or error.startswith("restricted_action"):
        return Meaning.NOT_ALLOWED
    if error in FIXED:
        return Meaning.FIXED
    if status != OK or not error or error in TRANSIENT:
        return Meaning.TRANSIENT
    return Meaning.REFUSED


def retry_after(value: str | None) -> float:
    """Return the seconds in a `Retry-After` header; 1 where it is missing or says nothing."""
    try:
        return min(max(1.0, float(value or 1)), 3600.0)  # in this order "nan" is 1
    except ValueError:
        return 1.0
