"""Rejections and outages of Slack: the job ends at once or at the deadline, without a loop."""

from uuid import uuid4

import pytest

from contract import keys
from testing.reply_harness import PLACEHOLDER, ReplyHarness, build_message
from testing.worker_harness import reply_text
from testing.workspace import ADA, GENERAL, STARCHAT
from worker.errors import NotAllowedError, SlackUnavailableError, ThreadGoneError
from worker.slack.client import RejectedError


async def test_archived_channel_raises_without_retry(reply: ReplyHarness) -> None:
    """One call is made."""
    name = f"old-{uuid4().hex[:8]}"
    channel = reply.harness.workspace.send_control("create", name=name, members=[ADA, STARCHAT])[
        "channel"
    ]
    reply.job = reply.harness.post_question("hello", channel=channel)
    reply.harness.workspace.send_control("archive", channel=channel)
    with pytest.raises(NotAllowedError):
        await reply.open_reply()
    assert len(reply.harness.job_calls(reply.job)) == 1


async def test_deleted_message_raises_thread_gone(reply: ReplyHarness) -> None:
    """An edit of a deleted message fails."""
    message = await reply.open_reply()
    reply.harness.workspace.send_control(
        "delete", channel=GENERAL, ts=reply.visible_messages[0]["ts"]
    )
    with pytest.raises(ThreadGoneError):
        await message.publish_final([build_message("done")], state="final", may_exist=False)


async def test_permanent_error_is_not_retried(reply: ReplyHarness) -> None:
    """One call is made."""
    message = await reply.open_reply()
    reply.harness.workspace.set_faults(
        {"fault": "error", "method": "chat.update", "error": "msg_too_long"}
    )
    with pytest.raises(RejectedError):
        await message.publish_final([build_message("done")], state="final", may_exist=False)
    assert len(reply.harness.job_calls(reply.job, "chat.update")) == 1


@pytest.mark.parametrize("error", ["edit_window_closed", "cant_update_message"])
async def test_uneditable_placeholder_is_replaced_by_a_new_message(
    reply: ReplyHarness, error: str
) -> None:
    """If edits are forbidden, the reply is posted and the placeholder deleted."""
    message = await reply.open_reply()
    reply.harness.workspace.set_faults({"fault": "error", "method": "chat.update", "error": error})
    await message.update_text(build_message("do"))
    await message.update_text(build_message("don"))
    await message.publish_final([build_message("done")], state="final", may_exist=False)
    assert [reply_text([one]) for one in reply.visible_messages] == ["done"]
    assert reply.harness.reply_states(reply.job) == ["final"]
    assert len(reply.harness.job_calls(reply.job, "chat.update")) == 2
    assert (
        await reply.client.hget(reply.job_key, keys.PLACEHOLDER) == reply.visible_messages[0]["ts"]
    )


async def test_next_execution_continues_an_interrupted_replacement(
    reply: ReplyHarness,
) -> None:
    """A crash between deletion and post leaves one message in the end."""
    await reply.open_reply()
    [before] = reply.visible_messages
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER, "")
    await reply.open_reply()
    assert [one["ts"] for one in reply.visible_messages] == [before["ts"]]
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER, "")
    reply.harness.workspace.send_control("delete", channel=GENERAL, ts=before["ts"])
    await reply.finish_reply(build_message("done"))
    assert [reply_text([one]) for one in reply.visible_messages] == ["done"]


async def test_unreachable_slack_raises_at_the_deadline(reply: ReplyHarness) -> None:
    """Retries end with the job's own deadline."""
    message = await reply.take_job(within=1.5)
    reply.harness.workspace.set_faults({"fault": "drop_before"})
    with pytest.raises(SlackUnavailableError):
        await message.ensure_placeholder(await reply.state.load_progress(), PLACEHOLDER)


async def test_reply_is_withdrawn_if_the_question_was_deleted(reply: ReplyHarness) -> None:
    """A question that still exists keeps its reply."""
    message = await reply.open_reply()
    assert not await message.withdraw_if_deleted()
    reply.harness.workspace.delete_message(ADA, GENERAL, reply.job.ts)
    assert await message.withdraw_if_deleted()
    assert reply.visible_messages == []
