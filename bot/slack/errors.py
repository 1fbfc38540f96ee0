"""What Slack's client may raise where Slack cannot be reached, is too busy, or refuses."""

import re
from http.client import HTTPException
from typing import Final

from slack_sdk.errors import SlackApiError

CALL_ERRORS: Final = (SlackApiError, OSError, HTTPException)
"""A refusal, a broken connection, an answer that breaks off."""
ERROR_NAME: Final = re.compile("[a-z_]+")
AMBIGUOUS_ERRORS: Final = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "update_failed"}
)
"""By these Slack says that the call failed, and that some of it may have been done all the same."""


def is_refusal(error: Exception) -> bool:
    """Say whether Slack has refused a call for certain: then nothing of it was done."""
    if not isinstance(error, SlackApiError):
        return False
    # Where a page came instead of an answer, slack_sdk puts a sentence in the place of the name.
    name = str(error.response.get("error"))
    return ERROR_NAME.fullmatch(name) is not None and name not in AMBIGUOUS_ERRORS
