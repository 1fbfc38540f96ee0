"""What Slack answers when it refuses a call."""

from typing import Any

Json = dict[str, Any]
"""One JSON object as Slack sends and takes it."""


class SlackError(Exception):
    """
    A refusal: `{"ok": false, "error": error}`.

    `messages` become `response_metadata.messages`, `fields` further fields of the answer.
    """

    def __init__(self, error: str, *messages: str, **fields: Any) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages
        self.fields = fields

    def to_response(self) -> Json:
        """Return the body of the answer."""
        body: Json = {"ok": False, "error": self.error, **self.fields}
        if self.messages:
            body["response_metadata"] = {"messages": list(self.messages)}
        return body
