"""Where Slack refuses or stays away: ends at once or at the deadline, never in a loop."""

from uuid import uuid4

import pytest

from contract import keys
from testing.reply_harness import SIGN, Post, message
from testing.worker_harness import words
from testing.workspace import ADA, GENERAL, STARCHAT
from worker.errors import NotAllowedError, ThreadGoneError
from worker.slack.client import RefusedError, SlackAwayError


async def test_an_archived_channel_ends_the_job_in_silence(post: Post) -> None:
    """Where nobody may post, nothing is tried twice."""
    name = f"old-{uuid4().hex[:8]}"
    channel = post.desk.workspace.control("create", name=name, members=[ADA, STARCHAT])["channel"]
    post.job = post.desk.question("hello", channel=channel)
    post.desk.workspace.control("archive", channel=channel)
    with pytest.raises(NotAllowedError):
        await post.opened()
    assert len(post.desk.calls(post.job)) == 1


async def test_a_thread_that_is_gone_ends_the_job_in_silence(post: Post) -> None:
    """An edit of a deleted message says so."""
    posting = await post.opened()
    post.desk.workspace.control("delete", channel=GENERAL, ts=post.shown[0]["ts"])
    with pytest.raises(ThreadGoneError):
        await posting.finish([message("done")], state="final", again=False)


async def test_an_error_that_will_not_go_away_is_not_repeated(post: Post) -> None:
    """A refusal of the very request is one call."""
    posting = await post.opened()
    post.desk.workspace.faults({"fault": "error", "method": "chat.update", "error": "msg_too_long"})
    with pytest.raises(RefusedError):
        await posting.finish([message("done")], state="final", again=False)
    assert len(post.desk.calls(post.job, "chat.update")) == 1


@pytest.mark.parametrize("error", ["edit_window_closed", "cant_update_message"])
async def test_a_reply_whose_message_may_not_be_changed_takes_its_place(
    post: Post, error: str
) -> None:
    """Where a workspace forbids edits, the reply is posted anew and the placeholder goes."""
    posting = await post.opened()
    post.desk.workspace.faults({"fault": "error", "method": "chat.update", "error": error})
    await posting.grow(message("do"))
    await posting.grow(message("don"))
    await posting.finish([message("done")], state="final", again=False)
    assert [words([one]) for one in post.shown] == ["done"]
    assert post.desk.state(post.job) == ["final"]
    assert len(post.desk.calls(post.job, "chat.update")) == 2
    assert await post.client.hget(post.key, keys.PLACEHOLDER) == post.shown[0]["ts"]


async def test_a_reply_that_was_being_replaced_is_found_by_whoever_comes_next(post: Post) -> None:
    """Whoever dies between the two messages leaves neither two of them nor none."""
    await post.opened()
    [before] = post.shown
    await post.client.hset(post.key, keys.PLACEHOLDER, "")
    await post.opened()
    assert [one["ts"] for one in post.shown] == [before["ts"]]
    await post.client.hset(post.key, keys.PLACEHOLDER, "")
    post.desk.workspace.control("delete", channel=GENERAL, ts=before["ts"])
    await post.finished(message("done"))
    assert [words([one]) for one in post.shown] == ["done"]


async def test_a_slack_that_stays_away_is_given_up_at_the_deadline(post: Post) -> None:
    """Patience ends when the question's own time is over."""
    posting = await post.taken(patience=1.5)
    post.desk.workspace.faults({"fault": "drop_before"})
    with pytest.raises(SlackAwayError):
        await posting.open(await post.ledger.read(), SIGN)


async def test_a_deleted_question_takes_the_placeholder_with_it(post: Post) -> None:
    """`withdraw` looks whether the question is still there."""
    posting = await post.opened()
    assert not await posting.withdraw()
    post.desk.workspace.delete(ADA, GENERAL, post.job.ts)
    assert await posting.withdraw()
    assert post.shown == []
