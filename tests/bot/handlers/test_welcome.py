"""Welcome: the bot says once what it does when a channel invites it."""

import pytest
from redis import Redis

from bot import texts
from testing.workspace import PYTHON, STARCHAT, Json, Messages, Workspace

pytestmark = pytest.mark.usefixtures("bot", "redis")


def find_welcomes(messages: Messages) -> Messages:
    """Return the messages of welcome."""
    return [message for message in messages if message["text"] == str(texts.WELCOME)]


def invite_bot(workspace: Workspace) -> None:
    """Remove the bot from a channel and invite it again; wait until the bot knows."""
    before = len(find_deliveries(workspace))
    for control in ("kick", "invite"):
        workspace.send_control(control, channel=PYTHON, user=STARCHAT)
    workspace.wait_until(lambda: find_deliveries(workspace)[before:])


def find_deliveries(workspace: Workspace) -> list[Json]:
    """Return the acknowledged deliveries of invitations."""
    return [
        delivery
        for delivery in workspace.delivery_attempts()
        if delivery["event_type"] == "member_joined_channel" and delivery["acked_at"]
    ]


def test_channel_is_welcomed_once(workspace: Workspace, redis: Redis) -> None:
    """The second invitation says nothing."""
    invite_bot(workspace)
    workspace.wait_for_messages(find_welcomes, PYTHON)
    invite_bot(workspace)
    invite_bot(workspace)

    assert len(find_welcomes(workspace.read_messages(PYTHON))) == 1
    [key] = redis.keys("starchat:*:welcome:*")
    assert 0 < int(redis.ttl(key)) <= 30 * 24 * 3600
