"""The reply in the thread: one placeholder, one final, each part once, whatever goes wrong."""

import asyncio

import pytest

from contract import keys
from contract.job import Streaming
from testing import code_replies
from testing.reply_harness import FACTS, PLACEHOLDER, ReplyHarness, build_message, message_content
from testing.worker_harness import WorkerHarness, reply_text
from testing.workspace import ADA, GENERAL, STARCHAT
from worker import render
from worker.errors import LeaseLostError, ThreadGoneError
from worker.render import Snippet
from worker.slack.reply_message import BACKOFF_FACTOR, MAX_EDIT_INTERVAL_SECONDS

# -- the placeholder


@pytest.mark.parametrize(
    "fault", ["drop_before", "drop_after", "status", "status_after", "truncated", "html"]
)
async def test_a_placeholder_is_there_once_whatever_the_answer(
    post: ReplyHarness, fault: str
) -> None:
    """A post whose outcome nobody knows is looked for before it is repeated."""
    post.harness.workspace.set_faults({"fault": fault, "method": "chat.postMessage", "count": 1})
    posting = await post.open_reply()
    await posting.publish_final([build_message("done")], state="final", may_exist=False)
    assert [reply_text([one]) for one in post.visible_messages] == ["done"]


async def test_a_thread_whose_pages_have_no_end_is_searched_all_the_same(
    post: ReplyHarness,
) -> None:
    """A page that names itself as the next one is the last that is read."""
    post.harness.workspace.set_faults(
        {"fault": "drop_after", "method": "chat.postMessage", "count": 1},
        {"fault": "endless", "method": "conversations.replies"},
    )
    before = len(post.harness.workspace.api_calls())
    await post.finish_reply(build_message("done"))
    assert [reply_text([one]) for one in post.visible_messages] == ["done"]
    calls = post.harness.workspace.api_calls(before)
    assert sum(call["method"] == "conversations.replies" for call in calls) <= 2


async def test_a_slow_answer_does_not_double_the_placeholder(post: ReplyHarness) -> None:
    """An answer that comes after our patience counts as unknown."""
    post.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 3}
    )
    await post.finish_reply(build_message("done"))
    assert [reply_text([one]) for one in post.visible_messages] == ["done"]


async def test_a_limit_is_respected_to_its_end(post: ReplyHarness) -> None:
    """Nothing is sent before Slack's `Retry-After` is over."""
    post.harness.workspace.set_faults(
        {"fault": "ratelimited", "method": "chat.postMessage", "count": 1, "retry_after": 2}
    )
    await post.open_reply()
    refused, taken = post.harness.job_calls(post.job, "chat.postMessage")
    assert refused["status"] == 429
    assert taken["at"] - refused["at"] >= 2


async def test_a_placeholder_that_is_written_down_is_adopted(post: ReplyHarness) -> None:
    """A later execution, and a worker after the bot, goes on with the same message."""
    await post.open_reply()
    [before] = post.visible_messages
    await post.finish_reply(build_message("done"))
    [after] = post.visible_messages
    assert after["ts"] == before["ts"]
    assert reply_text([after]) == "done"


@pytest.mark.parametrize("who", ["bot", "worker:dead"])
async def test_a_placeholder_whose_poster_died_is_found_in_the_thread(
    post: ReplyHarness, who: str
) -> None:
    """The intent is written, the ts is not: our own message is recognised by its metadata."""
    await post.open_reply()
    await post.client.hset(post.job_key, keys.PLACEHOLDER_OWNER, who)
    await post.client.hdel(post.job_key, keys.PLACEHOLDER)
    await post.finish_reply(build_message("done"))
    assert [reply_text([one]) for one in post.visible_messages] == ["done"]


async def test_an_intent_that_nobody_fulfilled_is_taken_over(post: ReplyHarness) -> None:
    """Who died before posting hinders nobody."""
    await post.client.hset(post.job_key, keys.PLACEHOLDER_OWNER, "bot")
    await post.open_reply()
    assert len(post.visible_messages) == 1
    assert await post.client.hget(post.job_key, keys.PLACEHOLDER) == post.visible_messages[0]["ts"]


async def test_a_ts_that_is_written_down_a_moment_later_is_adopted(post: ReplyHarness) -> None:
    """A bot that is posting right now is waited for."""
    await post.client.hset(post.job_key, keys.PLACEHOLDER_OWNER, "bot")
    theirs = post.harness.workspace.post_raw(GENERAL, "…", user=ADA, thread_ts=post.job.thread.ts)
    posting = await post.take_job()
    opening = asyncio.create_task(
        posting.ensure_placeholder(await post.ledger.load_progress(), None)
    )
    await asyncio.sleep(0.2)
    await post.client.hset(post.job_key, keys.PLACEHOLDER, theirs)
    await opening
    assert post.visible_messages == []


async def test_of_two_placeholders_the_later_goes_away(post: ReplyHarness) -> None:
    """Somebody was faster although the intent was ours: ours is deleted, theirs is used."""
    first = await post.take_job()
    entry = await post.ledger.load_progress()
    theirs = post.harness.workspace.post_raw(
        GENERAL, "…", user=STARCHAT, thread_ts=post.job.thread.ts
    )
    post.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 0.5}
    )
    opening = asyncio.create_task(first.ensure_placeholder(entry, PLACEHOLDER))
    await asyncio.sleep(0.25)
    await post.client.hset(post.job_key, keys.PLACEHOLDER, theirs)
    await opening
    assert [one["ts"] for one in post.visible_messages] == [theirs]


async def test_who_loses_the_lease_while_posting_takes_the_post_back(post: ReplyHarness) -> None:
    """A worker that slept through its lease leaves no second message behind."""
    posting = await post.take_job()
    entry = await post.ledger.load_progress()
    post.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 0.5}
    )
    opening = asyncio.create_task(posting.ensure_placeholder(entry, PLACEHOLDER))
    await asyncio.sleep(0.25)
    await post.client.set(keys.job_lease(post.job.id), "another")
    with pytest.raises(LeaseLostError):
        await opening
    assert post.visible_messages == []


async def test_who_loses_the_lease_leaves_what_another_has_adopted(post: ReplyHarness) -> None:
    """If the successor found our message and uses it, deleting it would delete the reply."""
    posting = await post.take_job()
    entry = await post.ledger.load_progress()
    post.harness.workspace.set_faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 1}
    )
    opening = asyncio.create_task(posting.ensure_placeholder(entry, PLACEHOLDER))
    [ours] = await post.wait_for_messages(lambda shown: len(shown) == 1)
    await post.client.set(keys.job_lease(post.job.id), "another")
    await post.client.hset(post.job_key, keys.PLACEHOLDER, ours["ts"])
    with pytest.raises(LeaseLostError):
        await opening
    assert post.visible_messages == [ours]


# -- growing


async def test_only_the_newest_text_is_shown(post: ReplyHarness) -> None:
    """Edits keep their distance, and what was overtaken is never sent."""
    posting = await post.open_reply()
    async with posting.stream_edits(render.compose_growing) as growing:
        for number in range(200):
            await growing.show_text("word " * number)
            await asyncio.sleep(0.005)
    await posting.publish_final([build_message("done")], state="final", may_exist=False)
    edits = post.harness.job_calls(post.job, "chat.update")
    assert 2 <= len(edits) <= 20
    assert edits[-1]["args"]["metadata"]["event_payload"]["state"] == "final"
    assert reply_text(post.visible_messages) == "done"


async def test_an_edit_on_its_way_never_overtakes_the_final(post: ReplyHarness) -> None:
    """The final waits for an edit that Slack is slow to take."""
    posting = await post.open_reply()
    post.harness.workspace.set_faults(
        {"fault": "slow", "method": "chat.update", "count": 1, "seconds": 0.7}
    )
    async with posting.stream_edits(render.compose_growing) as growing:
        await growing.show_text("half")
        await asyncio.sleep(0.3)
    await posting.publish_final([build_message("whole")], state="final", may_exist=False)
    await asyncio.sleep(0.6)
    assert reply_text(post.visible_messages) == "whole"


async def test_a_limited_edit_is_left_out_and_the_final_comes(post: ReplyHarness) -> None:
    """Growing text gives way where Slack has no room for it; the end does not."""
    posting = await post.open_reply()
    post.harness.workspace.set_faults(
        {"fault": "ratelimited", "method": "chat.update", "count": 1, "retry_after": 1}
    )
    async with posting.stream_edits(render.compose_growing) as growing:
        for _ in range(10):
            await growing.show_text("half")
            await asyncio.sleep(0.02)
    await posting.publish_final([build_message("whole")], state="final", may_exist=False)
    assert reply_text(post.visible_messages) == "whole"
    refused, *_, final = post.harness.job_calls(post.job, "chat.update")
    assert final["at"] - refused["at"] >= 1


async def test_growing_ends_when_the_message_is_gone(post: ReplyHarness) -> None:
    """Whoever deletes the growing reply ends the generation."""
    posting = await post.open_reply()
    post.harness.workspace.send_control(
        "delete", channel=GENERAL, ts=post.visible_messages[0]["ts"]
    )

    async def grow() -> None:
        async with posting.stream_edits(render.compose_growing) as growing:
            for number in range(1000):
                await growing.show_text(f"text {number}")
                await asyncio.sleep(0.01)

    with pytest.raises(ThreadGoneError):
        await grow()


async def test_nothing_grows_where_only_the_end_is_wanted(
    desk: WorkerHarness, post: ReplyHarness
) -> None:
    """In the mode `final` there is no edit before the last."""
    post.job = desk.post_question("quietly", streaming=Streaming.OFF)
    posting = await post.open_reply()
    async with posting.stream_edits(render.compose_growing) as growing:
        for _ in range(5):
            await growing.show_text("text")
            await asyncio.sleep(0.05)
    assert desk.job_calls(post.job, "chat.update") == []


def test_ten_calls_do_for_an_ordinary_reply() -> None:
    """At the usual pace, eight edits between first sign and final last for twenty seconds."""
    pauses = [min(MAX_EDIT_INTERVAL_SECONDS, 1.2 * BACKOFF_FACTOR**number) for number in range(8)]
    assert pauses[0] == 1.2
    assert sum(pauses) > 20


# -- the final


async def test_a_final_is_repeated_until_slack_takes_it(post: ReplyHarness) -> None:
    """An edit may be repeated after any failure."""
    posting = await post.open_reply()
    rules = [
        {"fault": fault, "method": "chat.update", "count": 1}
        for fault in ("drop_before", "drop_after", "status", "html", "truncated")
    ]
    post.harness.workspace.set_faults(*rules)
    await posting.publish_final([build_message("done")], state="final", may_exist=False)
    assert reply_text(post.visible_messages) == "done"


async def test_each_part_is_there_once_after_any_number_of_attempts(post: ReplyHarness) -> None:
    """Further messages and files of an earlier attempt are found, not posted again."""
    snippet = Snippet("reply.py", "python", "print('ä')\n", "reply.py")
    parts = (build_message("one"), snippet, build_message("two"), build_message("three"))
    await post.finish_reply(*parts)
    await post.finish_reply(*parts, again=True)
    await post.finish_reply(*parts, again=True)

    assert [message_content(one) for one in post.visible_messages] == [
        "one",
        "reply.py",
        "two",
        "three",
    ]


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "truncated"])
@pytest.mark.parametrize("method", ["chat.postMessage", "files.completeUploadExternal"])
async def test_a_part_of_unknown_outcome_is_there_once(
    post: ReplyHarness, method: str, fault: str
) -> None:
    """Neither a further message nor a file is doubled when its answer is lost."""
    posting = await post.open_reply()
    post.harness.workspace.set_faults({"fault": fault, "method": method, "count": 1})
    snippet = Snippet("reply.py", "python", "print()\n", "reply.py")
    await posting.publish_final(
        [build_message("one"), snippet, build_message("two")], state="final", may_exist=False
    )
    assert [message_content(one) for one in post.visible_messages] == ["one", "reply.py", "two"]


async def test_long_replies_are_taken_by_the_workspace(post: ReplyHarness) -> None:
    """What rendering makes of pages of code is never refused, and all of it is there."""
    [(text, code)] = code_replies.generate_replies(1)
    since = len(post.harness.workspace.api_calls())
    await post.finish_reply(*render.compose_final(text, facts=FACTS))
    assert [
        call["error"] for call in post.harness.workspace.api_calls(since) if call["error"]
    ] == []
    shown = reply_text(post.visible_messages)
    assert all(line in shown for line in code)
