"""Forwarded messages: Slack's attachment holds the message twice, as text and as blocks."""

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.forwards import forward_message
from testing.in_memory_workspace import ADA, GENERAL, LIN, InMemoryWorkspace


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_forward_carries_message_as_attachment(slack: InMemoryWorkspace) -> None:
    """The text of the new message is the comment alone."""
    text = f"<@{ADA}> a &lt; b <https://a.example|docs>"
    message = slack.workspace.post_message(GENERAL, {"user": LIN, "text": text})
    posted = forward_message(slack.workspace, message, ADA, GENERAL, "look")
    [share] = posted.body["attachments"]
    [entry] = share["message_blocks"]
    [section] = entry["message"]["blocks"][0]["elements"]

    assert posted.text == "look"
    assert (share["is_share"], share["is_msg_unfurl"], share["text"]) == (True, True, text)
    assert section["elements"] == [
        {"type": "user", "user_id": ADA},
        {"type": "text", "text": " a < b "},
        {"type": "link", "url": "https://a.example", "text": "docs"},
    ]


def test_forward_needs_membership_of_both_channels(slack: InMemoryWorkspace) -> None:
    """A person can forward only what the person sees, to where the person is."""
    den = slack.workspace.create_channel("den", [LIN])
    message = slack.workspace.post_message(den.id, {"user": LIN, "text": "secret"})

    with pytest.raises(SlackError, match="channel_not_found"):
        forward_message(slack.workspace, message, ADA, GENERAL, "")
    with pytest.raises(SlackError, match="message_not_found"):
        forward_message(slack.workspace, message.to_tombstone(), LIN, GENERAL, "")
