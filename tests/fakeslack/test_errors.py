"""Slack error responses."""

from fakeslack.errors import SlackError


def test_a_refusal_answers_as_slack_does() -> None:
    """`ok` is false, the error has a name, and messages come as metadata."""
    assert SlackError("a", needed="b").to_response() == {"ok": False, "error": "a", "needed": "b"}
    said = SlackError("a", "why").to_response()
    assert said["response_metadata"] == {"messages": ["why"]}
