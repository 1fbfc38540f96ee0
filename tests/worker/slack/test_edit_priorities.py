"""Edits of a reply while the rate limit is nearly used up: which of them come first."""

import pytest

from contract import keys
from contract.slack_budget import RATE_LIMITS, Priority
from testing.reply_harness import ReplyHarness, compose_growing
from testing.worker_harness import context_text
from worker.render.texts import RETRYING
from worker.slack.client import RetryLaterError

METHOD = "chat.update"


async def test_restart_is_explained_before_other_replies_grow(reply: ReplyHarness) -> None:
    """With too few calls left for a growing reply, a restarted one still says so."""
    first = await reply.open_reply()
    burst = RATE_LIMITS[METHOD].burst
    left = 1 + burst * Priority.REPLY.value
    assert left + 1 < 1 + burst * Priority.BACKGROUND.value
    seconds, _ = await reply.client.time()
    bucket = keys.rate_limit(reply.job.thread.team, METHOD)
    await reply.client.hset(bucket, "tokens", str(left))
    await reply.client.hset(bucket, "updated_at", str(seconds * 1000))
    with pytest.raises(RetryLaterError):
        await first.update_text(await compose_growing("so far"))
    restarted = await reply.take_job()
    await restarted.ensure_placeholder(await reply.state.load_progress(), RETRYING)

    assert str(RETRYING) in context_text(reply.visible_messages)
