"""Where Slack refuses or stays away: ends at once or at the deadline, never in a loop."""

from uuid import uuid4

import pytest

from contract import keys
from testing.reply_harness import PLACEHOLDER, ReplyHarness, build_message
from testing.worker_harness import reply_text
from testing.workspace import ADA, GENERAL, STARCHAT
from worker.errors import NotAllowedError, SlackUnavailableError, ThreadGoneError
from worker.slack.client import RejectedError


async def test_an_archived_channel_ends_the_job_in_silence(post: ReplyHarness) -> None:
    """Where nobody may post, nothing is tried twice."""
    name = f"old-{uuid4().hex[:8]}"
    channel = post.harness.workspace.send_control("create", name=name, members=[ADA, STARCHAT])[
        "channel"
    ]
    post.job = post.harness.post_question("hello", channel=channel)
    post.harness.workspace.send_control("archive", channel=channel)
    with pytest.raises(NotAllowedError):
        await post.open_reply()
    assert len(post.harness.job_calls(post.job)) == 1


async def test_a_thread_that_is_gone_ends_the_job_in_silence(post: ReplyHarness) -> None:
    """An edit of a deleted message says so."""
    posting = await post.open_reply()
    post.harness.workspace.send_control(
        "delete", channel=GENERAL, ts=post.visible_messages[0]["ts"]
    )
    with pytest.raises(ThreadGoneError):
        await posting.publish_final([build_message("done")], state="final", may_exist=False)


async def test_an_error_that_will_not_go_away_is_not_repeated(post: ReplyHarness) -> None:
    """A refusal of the very request is one call."""
    posting = await post.open_reply()
    post.harness.workspace.set_faults(
        {"fault": "error", "method": "chat.update", "error": "msg_too_long"}
    )
    with pytest.raises(RejectedError):
        await posting.publish_final([build_message("done")], state="final", may_exist=False)
    assert len(post.harness.job_calls(post.job, "chat.update")) == 1


@pytest.mark.parametrize("error", ["edit_window_closed", "cant_update_message"])
async def test_a_reply_whose_message_may_not_be_changed_takes_its_place(
    post: ReplyHarness, error: str
) -> None:
    """Where a workspace forbids edits, the reply is posted anew and the placeholder goes."""
    posting = await post.open_reply()
    post.harness.workspace.set_faults({"fault": "error", "method": "chat.update", "error": error})
    await posting.update_text(build_message("do"))
    await posting.update_text(build_message("don"))
    await posting.publish_final([build_message("done")], state="final", may_exist=False)
    assert [reply_text([one]) for one in post.visible_messages] == ["done"]
    assert post.harness.reply_states(post.job) == ["final"]
    assert len(post.harness.job_calls(post.job, "chat.update")) == 2
    assert await post.client.hget(post.job_key, keys.PLACEHOLDER) == post.visible_messages[0]["ts"]


async def test_a_reply_that_was_being_replaced_is_found_by_whoever_comes_next(
    post: ReplyHarness,
) -> None:
    """Whoever dies between the two messages leaves neither two of them nor none."""
    await post.open_reply()
    [before] = post.visible_messages
    await post.client.hset(post.job_key, keys.PLACEHOLDER, "")
    await post.open_reply()
    assert [one["ts"] for one in post.visible_messages] == [before["ts"]]
    await post.client.hset(post.job_key, keys.PLACEHOLDER, "")
    post.harness.workspace.send_control("delete", channel=GENERAL, ts=before["ts"])
    await post.finish_reply(build_message("done"))
    assert [reply_text([one]) for one in post.visible_messages] == ["done"]


async def test_a_slack_that_stays_away_is_given_up_at_the_deadline(post: ReplyHarness) -> None:
    """Patience ends when the question's own time is over."""
    posting = await post.take_job(within=1.5)
    post.harness.workspace.set_faults({"fault": "drop_before"})
    with pytest.raises(SlackUnavailableError):
        await posting.ensure_placeholder(await post.ledger.load_progress(), PLACEHOLDER)


async def test_a_deleted_question_takes_the_placeholder_with_it(post: ReplyHarness) -> None:
    """`withdraw` looks whether the question is still there."""
    posting = await post.open_reply()
    assert not await posting.withdraw_if_deleted()
    post.harness.workspace.delete_message(ADA, GENERAL, post.job.ts)
    assert await posting.withdraw_if_deleted()
    assert post.visible_messages == []
