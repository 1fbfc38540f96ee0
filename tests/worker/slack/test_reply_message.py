"""Reply message: one placeholder, each part once, and edits that never overtake the final."""

import asyncio

import pytest

from contract import keys
from contract.job import Streaming
from testing import code_replies, reply_harness
from testing.reply_harness import FACTS, PLACEHOLDER, ReplyHarness, build_message, message_content
from testing.worker_harness import WorkerHarness, reply_text
from testing.workspace import ADA, GENERAL, STARCHAT
from worker import render
from worker.errors import LeaseLostError, ThreadGoneError
from worker.render import Snippet
from worker.slack.streaming_edits import EDIT_TOKENS, tokens_before_edit

# -- the placeholder


@pytest.mark.parametrize(
    "fault", ["drop_before", "drop_after", "status", "status_after", "truncated", "html"]
)
async def test_placeholder_is_posted_once_despite_faults(reply: ReplyHarness, fault: str) -> None:
    """After an unknown outcome the thread is searched before a retry."""
    reply.harness.workspace.set_faults({"fault": fault, "method": "chat.postMessage", "count": 1})
    message = await reply.open_reply()
    await message.publish_final([build_message("done")], state="final", may_exist=False)
    assert [reply_text([one]) for one in reply.visible_messages] == ["done"]


async def test_search_stops_at_a_repeated_cursor(
    reply: ReplyHarness,
) -> None:
    """A page that names itself as the next page is the last one read."""
    reply.harness.workspace.set_faults(
        {"fault": "drop_after", "method": "chat.postMessage", "count": 1},
        {"fault": "endless", "method": "conversations.replies"},
    )
    before = len(reply.harness.workspace.api_calls())
    await reply.finish_reply(build_message("done"))
    assert [reply_text([one]) for one in reply.visible_messages] == ["done"]
    calls = reply.harness.workspace.api_calls(before)
    assert sum(call["method"] == "conversations.replies" for call in calls) <= 2


async def test_timed_out_post_is_not_repeated_blindly(reply: ReplyHarness) -> None:
    """A response after the timeout counts as unknown."""
    reply.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 3}
    )
    await reply.finish_reply(build_message("done"))
    assert [reply_text([one]) for one in reply.visible_messages] == ["done"]


async def test_retry_after_is_respected(reply: ReplyHarness) -> None:
    """No call is made before Slack's `Retry-After` is over."""
    reply.harness.workspace.set_faults(
        {"fault": "ratelimited", "method": "chat.postMessage", "count": 1, "retry_after": 2}
    )
    await reply.open_reply()
    refused, taken = reply.harness.job_calls(reply.job, "chat.postMessage")
    assert refused["status"] == 429
    assert taken["at"] - refused["at"] >= 2


async def test_recorded_placeholder_is_adopted(reply: ReplyHarness) -> None:
    """A later execution, and a worker after the bot, edits the same message."""
    await reply.open_reply()
    [before] = reply.visible_messages
    await reply.finish_reply(build_message("done"))
    [after] = reply.visible_messages
    assert after["ts"] == before["ts"]
    assert reply_text([after]) == "done"


@pytest.mark.parametrize("who", ["bot", "worker:dead"])
async def test_placeholder_of_dead_owner_is_found_in_the_thread(
    reply: ReplyHarness, who: str
) -> None:
    """With an intent but no `ts`, the message is recognized by its metadata."""
    await reply.open_reply()
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER_OWNER, who)
    await reply.client.hdel(reply.job_key, keys.PLACEHOLDER)
    await reply.finish_reply(build_message("done"))
    assert [reply_text([one]) for one in reply.visible_messages] == ["done"]


async def test_unfulfilled_intent_is_taken_over(reply: ReplyHarness) -> None:
    """An owner that died before its post blocks nothing."""
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER_OWNER, "bot")
    await reply.open_reply()
    assert len(reply.visible_messages) == 1
    assert (
        await reply.client.hget(reply.job_key, keys.PLACEHOLDER) == reply.visible_messages[0]["ts"]
    )


async def test_placeholder_recorded_a_moment_later_is_adopted(reply: ReplyHarness) -> None:
    """A worker waits for a bot that is posting right now."""
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER_OWNER, "bot")
    other_ts = reply.harness.workspace.post_raw(
        GENERAL, "…", user=ADA, thread_ts=reply.job.thread.ts
    )
    message = await reply.take_job()
    opening = asyncio.create_task(
        message.ensure_placeholder(await reply.state.load_progress(), None)
    )
    await asyncio.sleep(0.2)
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER, other_ts)
    await opening
    assert reply.visible_messages == []


async def test_second_placeholder_is_deleted(reply: ReplyHarness) -> None:
    """If another `ts` is recorded first, that message is used."""
    first = await reply.take_job()
    progress = await reply.state.load_progress()
    other_ts = reply.harness.workspace.post_raw(
        GENERAL, "…", user=STARCHAT, thread_ts=reply.job.thread.ts
    )
    reply.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 0.5}
    )
    opening = asyncio.create_task(first.ensure_placeholder(progress, PLACEHOLDER))
    await asyncio.sleep(0.25)
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER, other_ts)
    await opening
    assert [one["ts"] for one in reply.visible_messages] == [other_ts]


async def test_placeholder_posted_without_lease_is_deleted(reply: ReplyHarness) -> None:
    """A suspended worker leaves no second message."""
    message = await reply.take_job()
    progress = await reply.state.load_progress()
    reply.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 0.5}
    )
    opening = asyncio.create_task(message.ensure_placeholder(progress, PLACEHOLDER))
    await asyncio.sleep(0.25)
    await reply.client.set(keys.job_lease(reply.job.id), "another")
    with pytest.raises(LeaseLostError):
        await opening
    assert reply.visible_messages == []


async def test_placeholder_adopted_by_successor_is_kept(reply: ReplyHarness) -> None:
    """Its deletion would delete the reply."""
    message = await reply.take_job()
    progress = await reply.state.load_progress()
    reply.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 1}
    )
    opening = asyncio.create_task(message.ensure_placeholder(progress, PLACEHOLDER))
    [ours] = await reply.wait_for_messages(lambda shown: len(shown) == 1)
    await reply.client.set(keys.job_lease(reply.job.id), "another")
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER, ours["ts"])
    with pytest.raises(LeaseLostError):
        await opening
    assert reply.visible_messages == [ours]


# -- growing


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


# -- the final


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "status", "html", "truncated"])
async def test_final_is_retried_after_a_fault(reply: ReplyHarness, fault: str) -> None:
    """An edit is idempotent, so any fault may be retried."""
    message = await reply.open_reply()
    reply.harness.workspace.set_faults({"fault": fault, "method": "chat.update", "count": 1})
    await message.publish_final([build_message("done")], state="final", may_exist=False)
    assert reply_text(reply.visible_messages) == "done"


async def test_parts_of_an_earlier_execution_are_not_posted_again(reply: ReplyHarness) -> None:
    """Messages and files are found in the thread."""
    snippet = Snippet("reply.py", "python", "print('ä')\n", "reply.py")
    parts = (build_message("one"), snippet, build_message("two"), build_message("three"))
    await reply.finish_reply(*parts)
    await reply.finish_reply(*parts, again=True)
    await reply.finish_reply(*parts, again=True)

    assert [message_content(one) for one in reply.visible_messages] == [
        "one",
        "reply.py",
        "two",
        "three",
    ]


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "truncated"])
@pytest.mark.parametrize("method", ["chat.postMessage", "files.completeUploadExternal"])
async def test_part_with_lost_response_is_posted_once(
    reply: ReplyHarness, method: str, fault: str
) -> None:
    """Neither a message nor a file is doubled."""
    message = await reply.open_reply()
    reply.harness.workspace.set_faults({"fault": fault, "method": method, "count": 1})
    snippet = Snippet("reply.py", "python", "print()\n", "reply.py")
    await message.publish_final(
        [build_message("one"), snippet, build_message("two")], state="final", may_exist=False
    )
    assert [message_content(one) for one in reply.visible_messages] == ["one", "reply.py", "two"]


async def test_long_reply_is_accepted_completely(reply: ReplyHarness) -> None:
    """No call is rejected, and every line of code is shown."""
    [(text, code)] = code_replies.generate_replies(1)
    since = len(reply.harness.workspace.api_calls())
    await reply.finish_reply(*render.compose_final(text, facts=FACTS))
    assert [
        call["error"] for call in reply.harness.workspace.api_calls(since) if call["error"]
    ] == []
    shown = reply_text(reply.visible_messages)
    assert all(line in shown for line in code)
