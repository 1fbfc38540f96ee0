"""Questions whose words are not in their text: forwards, previews, and posts by a person's tool."""

import pytest
from redis import Redis

from testing.polling import poll_until
from testing.queue_inspector import find_job, job_turns, pending_job_ids
from testing.workspace import ADA, GENERAL, LIN, PYTHON, STARCHAT, Workspace

pytestmark = pytest.mark.usefixtures("bot")

TRACE = "```KeyError: 'amber'```"
SHOWN_TRACE = "KeyError: 'amber'"


def forward_to(workspace: Workspace, channel: str, comment: str = "") -> str:
    """Have Ada forward Lin's stack trace; return the `ts` of the new message."""
    ts = workspace.post_message(LIN, PYTHON, TRACE)
    request = {"user": ADA, "channel": PYTHON, "ts": ts, "to": channel, "text": comment}
    forwarded = str(workspace.send_control("forward", **request)["ts"])
    workspace.wait_for_acks(forwarded)
    return forwarded


def test_forwarded_message_is_part_of_the_question(workspace: Workspace, redis: Redis) -> None:
    """The model reads the comment, whose message was forwarded, and its words, once."""
    ts = forward_to(workspace, GENERAL, "@StarChat what does this mean?")
    [(name, text)] = job_turns(redis, GENERAL, ts)

    assert name is None
    assert text.startswith("what does this mean?\n\n(message from Lin")
    assert text.count(SHOWN_TRACE) == 1


def test_forward_without_comment_is_a_question(workspace: Workspace, redis: Redis) -> None:
    """In a direct message, the forwarded words alone are the question."""
    channel = workspace.open_dm(ADA, STARCHAT)
    ts = forward_to(workspace, channel)

    assert SHOWN_TRACE in job_turns(redis, channel, ts)[0][1]


def test_preview_reaches_waiting_question(workspace: Workspace, redis: Redis) -> None:
    """A preview that Slack adds later updates the job, which keeps its place."""
    ts = workspace.post_message(ADA, GENERAL, "@StarChat is https://a.example/1 right?")
    workspace.wait_for_acks(ts)
    line = pending_job_ids(redis)
    workspace.send_control("unfurl", channel=GENERAL, ts=ts, url="https://a.example/1")
    poll_until(lambda: "A page" in job_turns(redis, GENERAL, ts)[0][1], description="the preview")

    assert pending_job_ids(redis) == line


def test_question_posted_by_a_persons_tool_is_answered(workspace: Workspace, redis: Redis) -> None:
    """The message has a `bot_id`, but its user is a person."""
    ts = workspace.post_raw(GENERAL, f"<@{STARCHAT}> hi", user=ADA, bot_id="B0TOOL0001")
    workspace.wait_for_acks(ts)
    found = find_job(redis, GENERAL, ts)

    assert found is not None
    assert found.user == ADA
