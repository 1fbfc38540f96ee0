"""Where Slack refuses or stays away: ends at once or at the deadline, never in a loop."""

from uuid import uuid4

import pytest

from tests.support.posts import SIGN, Post, message
from tests.support.workspace import ADA, GENERAL, STARCHAT
from worker.errors import NotAllowedError, ThreadGoneError
from worker.slack import RefusedError, SlackAwayError


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
