"""Slack's error response to a refused call."""

from typing import Any

Json = dict[str, Any]
"""A JSON object."""


class SlackError(Exception):
    """
    A refusal: `{"ok": false, "error": error}`.

    `messages` become `response_metadata.messages`; `fields` become further fields of the response.
    """

    def __init__(self, error: str, *messages: str, **fields: Any) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages
        self.fields = fields

    def to_response(self) -> Json:
        """Return the body of the error response."""
        body: Json = {"ok": False, "error": self.error, **self.fields}
        if self.messages:
            body["response_metadata"] = {"messages": list(self.messages)}
        return body
