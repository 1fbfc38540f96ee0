"""Reply message: one placeholder, each part once, and edits that never overtake the final."""

import asyncio

import pytest
from redis.exceptions import ResponseError

from contract import keys
from testing import code_replies
from testing.reply_harness import FACTS, PLACEHOLDER, ReplyHarness, build_message, message_content
from testing.worker_harness import reply_text
from testing.workspace import ADA, GENERAL, STARCHAT, Json
from worker import render
from worker.errors import LeaseLostError
from worker.render import Snippet

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


async def begin_slow_post(reply: ReplyHarness) -> tuple[asyncio.Task[None], Json]:
    """Return the task that posts a placeholder, and the message, before Slack answers."""
    message = await reply.take_job()
    progress = await reply.state.load_progress()
    reply.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 1.5}
    )
    opening = asyncio.create_task(message.ensure_placeholder(progress, PLACEHOLDER))
    [ours] = await reply.wait_for_messages(lambda shown: len(shown) == 1)
    return opening, ours


async def test_second_placeholder_is_deleted(reply: ReplyHarness) -> None:
    """If another `ts` is recorded first, that message is used."""
    opening, ours = await begin_slow_post(reply)
    other_ts = reply.harness.workspace.post_raw(
        GENERAL, "…", user=STARCHAT, thread_ts=reply.job.thread.ts
    )
    assert ours["ts"] != other_ts
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER, other_ts)
    await opening
    assert [one["ts"] for one in reply.visible_messages] == [other_ts]


async def test_placeholder_posted_without_lease_is_deleted(reply: ReplyHarness) -> None:
    """A suspended worker leaves no second message."""
    opening, _ = await begin_slow_post(reply)
    await reply.client.set(keys.job_lease(reply.job.id), "another")
    with pytest.raises(LeaseLostError):
        await opening
    assert reply.visible_messages == []


async def test_placeholder_adopted_by_successor_is_kept(reply: ReplyHarness) -> None:
    """Its deletion would delete the reply."""
    opening, ours = await begin_slow_post(reply)
    await reply.client.set(keys.job_lease(reply.job.id), "another")
    await reply.client.hset(reply.job_key, keys.PLACEHOLDER, ours["ts"])
    with pytest.raises(LeaseLostError):
        await opening
    assert reply.visible_messages == [ours]


@pytest.mark.parametrize("adopted", [True, False], ids=["adopted", "unknown"])
async def test_canceled_execution_completes_the_post_in_flight(
    reply: ReplyHarness, *, adopted: bool
) -> None:
    """It keeps a message that its successor has found, and deletes an unknown one."""
    opening, ours = await begin_slow_post(reply)
    await reply.client.set(keys.job_lease(reply.job.id), "another")
    if adopted:
        await reply.client.hset(reply.job_key, keys.PLACEHOLDER, ours["ts"])
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert reply.visible_messages == ([ours] if adopted else [])


async def test_message_is_kept_if_redis_does_not_tell_whether_it_is_recorded(
    reply: ReplyHarness,
) -> None:
    """A later execution finds it, by its record or in the thread."""
    opening, ours = await begin_slow_post(reply)
    await reply.client.rename(reply.job_key, "aside")
    await reply.client.set(reply.job_key, "no hash")
    with pytest.raises(ResponseError):
        await opening
    assert reply.visible_messages == [ours]


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
