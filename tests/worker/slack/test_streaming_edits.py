"""Growing replies: edits while the text arrives, and their limits."""

import asyncio

import pytest

from contract.job import Streaming
from testing import reply_harness
from testing.reply_harness import ReplyHarness, build_message
from testing.worker_harness import WorkerHarness, reply_text
from testing.workspace import GENERAL
from worker.errors import ThreadGoneError
from worker.slack.streaming_edits import EDIT_TOKENS, tokens_before_edit


async def test_edits_skip_outdated_text(reply: ReplyHarness) -> None:
    """Edits keep their interval; an outdated text is never sent."""
    message = await reply.open_reply()
    async with message.stream_edits(reply_harness.compose_growing) as edits:
        for number in range(200):
            await edits.show_text("word " * number, number)
            await asyncio.sleep(0.005)
    await message.publish_final([build_message("done")], state="final", may_exist=False)
    calls = reply.harness.job_calls(reply.job, "chat.update")
    assert 2 <= len(calls) <= 20
    assert calls[-1]["args"]["metadata"]["event_payload"]["state"] == "final"
    assert reply_text(reply.visible_messages) == "done"


async def test_final_waits_for_an_edit_in_flight(reply: ReplyHarness) -> None:
    """A slow edit does not overwrite the final."""
    message = await reply.open_reply()
    reply.harness.workspace.set_faults(
        {"fault": "slow", "method": "chat.update", "count": 1, "seconds": 0.7}
    )
    async with message.stream_edits(reply_harness.compose_growing) as edits:
        await edits.show_text("half", 1)
        await asyncio.sleep(0.3)
    await message.publish_final([build_message("whole")], state="final", may_exist=False)
    await asyncio.sleep(0.6)
    assert reply_text(reply.visible_messages) == "whole"


async def test_rate_limited_edit_is_skipped_but_the_final_is_sent(reply: ReplyHarness) -> None:
    """Edits yield to the rate limit; the final waits for it."""
    message = await reply.open_reply()
    reply.harness.workspace.set_faults(
        {"fault": "ratelimited", "method": "chat.update", "count": 1, "retry_after": 1}
    )
    async with message.stream_edits(reply_harness.compose_growing) as edits:
        for _ in range(10):
            await edits.show_text("half", 1)
            await asyncio.sleep(0.02)
    await message.publish_final([build_message("whole")], state="final", may_exist=False)
    assert reply_text(reply.visible_messages) == "whole"
    refused, *_, final = reply.harness.job_calls(reply.job, "chat.update")
    assert final["at"] - refused["at"] >= 1


async def test_streaming_ends_when_the_message_is_deleted(reply: ReplyHarness) -> None:
    """The deletion of a growing reply ends its generation."""
    message = await reply.open_reply()
    reply.harness.workspace.send_control(
        "delete", channel=GENERAL, ts=reply.visible_messages[0]["ts"]
    )

    async def grow() -> None:
        async with message.stream_edits(reply_harness.compose_growing) as edits:
            for number in range(1000):
                await edits.show_text(f"text {number}", number)
                await asyncio.sleep(0.01)

    with pytest.raises(ThreadGoneError):
        await grow()


async def test_streaming_off_sends_no_edits(harness: WorkerHarness, reply: ReplyHarness) -> None:
    """With streaming off there is no edit before the final."""
    reply.job = harness.post_question("quietly", streaming=Streaming.OFF)
    message = await reply.open_reply()
    async with message.stream_edits(reply_harness.compose_growing) as edits:
        for _ in range(5):
            await edits.show_text("text", 1)
            await asyncio.sleep(0.05)
    assert harness.job_calls(reply.job, "chat.update") == []


def test_edits_are_bounded_by_tokens() -> None:
    """However slow the model is, 256 tokens cost six edits, and each 64 more cost one."""
    needed = [tokens_before_edit(edits) for edits in range(30)]

    assert needed == sorted(set(needed))
    assert needed[0] == 1
    for tokens, edits in ((255, 6), (512, 10), (1024, 18)):
        assert sum(number <= tokens for number in needed) == edits


async def test_slow_reply_waits_for_tokens_between_edits(reply: ReplyHarness) -> None:
    """Time alone is no reason for an edit."""
    message = await reply.open_reply()
    async with message.stream_edits(reply_harness.compose_growing) as edits:
        for number in range(1, EDIT_TOKENS[1]):
            await edits.show_text("word " * number, number)
            await asyncio.sleep(2 * reply_harness.EDIT_INTERVAL_SECONDS)

    [only] = reply.harness.job_calls(reply.job, "chat.update")
    assert only["args"]["metadata"]["event_payload"]["state"] == "growing"
