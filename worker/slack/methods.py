"""Web API methods that the worker calls, with the retry policy of each."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SlackMethod:
    """A Web API method. Only an `idempotent` one may be retried after an unknown outcome."""

    name: str
    idempotent: bool
    http_verb: str = "POST"


AUTH_TEST: Final = SlackMethod("auth.test", idempotent=True)
POST_MESSAGE: Final = SlackMethod("chat.postMessage", idempotent=False)
UPDATE_MESSAGE: Final = SlackMethod("chat.update", idempotent=True)
DELETE_MESSAGE: Final = SlackMethod("chat.delete", idempotent=True)
LIST_REPLIES: Final = SlackMethod("conversations.replies", idempotent=True, http_verb="GET")
SET_SESSION_STATUS: Final = SlackMethod("agents.sessions.setStatus", idempotent=True)
RENAME_SESSION: Final = SlackMethod("agents.sessions.rename", idempotent=True)
GET_UPLOAD_URL: Final = SlackMethod("files.getUploadURLExternal", idempotent=True, http_verb="GET")
DELETE_FILE: Final = SlackMethod("files.delete", idempotent=True)
FILES_INFO: Final = SlackMethod("files.info", idempotent=True, http_verb="GET")
COMPLETE_UPLOAD: Final = SlackMethod("files.completeUploadExternal", idempotent=False)
