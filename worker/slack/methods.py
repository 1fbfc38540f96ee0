"""Web API methods that the worker calls, with the rate limit and retry policy of each."""

from dataclasses import dataclass
from typing import Final

from worker.slack.rate_limits import RateLimit


@dataclass(frozen=True, slots=True)
class SlackMethod:
    """
    A Web API method.

    Only an `idempotent` method may be retried after an unknown outcome. With `per_channel`, Slack
    counts the rate limit for each channel.
    """

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
