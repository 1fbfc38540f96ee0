"""Slack error responses."""

from fakeslack.errors import SlackError


def test_an_error_response_has_slacks_shape() -> None:
    """`ok` is false, `error` is a name, messages are in `response_metadata`."""
    assert SlackError("a", needed="b").to_response() == {"ok": False, "error": "a", "needed": "b"}
    said = SlackError("a", "why").to_response()
    assert said["response_metadata"] == {"messages": ["why"]}
