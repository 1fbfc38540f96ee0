"""Authorship: only the app's own messages count as parts of a reply."""

import pytest

from contract import keys
from testing.reply_harness import ReplyHarness, build_message
from testing.worker_harness import reply_text
from testing.workspace import ADA, GENERAL


@pytest.mark.parametrize("part", [2, "x", None])
async def test_forged_part_of_another_author_is_ignored(reply: ReplyHarness, part: object) -> None:
    """Anyone can post our metadata; a part that counted as posted would be lost."""
    payload = {"job": reply.job.id, "part": part, "question": reply.job.ts, "state": "final"}
    metadata = {"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload}
    reply.harness.workspace.post_raw(
        GENERAL, "forged", user=ADA, thread_ts=reply.job.thread.ts, metadata=metadata
    )
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER_OWNER, "worker:dead")
    await reply.finish_reply(build_message("one"), build_message("two"), again=True)
    assert [reply_text([one]) for one in reply.visible_messages] == ["one", "two"]
