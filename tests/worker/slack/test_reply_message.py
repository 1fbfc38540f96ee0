"""The reply in the thread: one placeholder, one final, each part once, whatever goes wrong."""

import asyncio

import pytest

from contract import keys
from contract.job import Display
from testing import code_replies
from testing.reply_harness import FACTS, SIGN, Post, message, of
from testing.worker_harness import Desk, words
from testing.workspace import ADA, GENERAL, STARCHAT
from worker import render
from worker.errors import LeaseLostError, ThreadGoneError
from worker.render import Snippet
from worker.slack.reply_message import SLOWER, SLOWEST

# -- the placeholder


@pytest.mark.parametrize(
    "fault", ["drop_before", "drop_after", "status", "status_after", "truncated", "html"]
)
async def test_a_placeholder_is_there_once_whatever_the_answer(post: Post, fault: str) -> None:
    """A post whose outcome nobody knows is looked for before it is repeated."""
    post.desk.workspace.faults({"fault": fault, "method": "chat.postMessage", "count": 1})
    posting = await post.opened()
    await posting.finish([message("done")], state="final", again=False)
    assert [words([one]) for one in post.shown] == ["done"]


async def test_a_thread_whose_pages_have_no_end_is_searched_all_the_same(post: Post) -> None:
    """A page that names itself as the next one is the last that is read."""
    post.desk.workspace.faults(
        {"fault": "drop_after", "method": "chat.postMessage", "count": 1},
        {"fault": "endless", "method": "conversations.replies"},
    )
    before = len(post.desk.workspace.calls())
    await post.finished(message("done"))
    assert [words([one]) for one in post.shown] == ["done"]
    calls = post.desk.workspace.calls(before)
    assert sum(call["method"] == "conversations.replies" for call in calls) <= 2


async def test_a_slow_answer_does_not_double_the_placeholder(post: Post) -> None:
    """An answer that comes after our patience counts as unknown."""
    post.desk.workspace.faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 3}
    )
    await post.finished(message("done"))
    assert [words([one]) for one in post.shown] == ["done"]


async def test_a_limit_is_respected_to_its_end(post: Post) -> None:
    """Nothing is sent before Slack's `Retry-After` is over."""
    post.desk.workspace.faults(
        {"fault": "ratelimited", "method": "chat.postMessage", "count": 1, "retry_after": 2}
    )
    await post.opened()
    refused, taken = post.desk.calls(post.job, "chat.postMessage")
    assert refused["status"] == 429
    assert taken["at"] - refused["at"] >= 2


async def test_a_placeholder_that_is_written_down_is_adopted(post: Post) -> None:
    """A later execution, and a worker after the bot, goes on with the same message."""
    await post.opened()
    [before] = post.shown
    await post.finished(message("done"))
    [after] = post.shown
    assert after["ts"] == before["ts"]
    assert words([after]) == "done"


@pytest.mark.parametrize("who", ["bot", "worker:dead"])
async def test_a_placeholder_whose_poster_died_is_found_in_the_thread(post: Post, who: str) -> None:
    """The intent is written, the ts is not: our own message is recognised by its metadata."""
    await post.opened()
    await post.client.hset(post.key, keys.POSTING, who)
    await post.client.hdel(post.key, keys.PLACEHOLDER)
    await post.finished(message("done"))
    assert [words([one]) for one in post.shown] == ["done"]


async def test_an_intent_that_nobody_fulfilled_is_taken_over(post: Post) -> None:
    """Who died before posting hinders nobody."""
    await post.client.hset(post.key, keys.POSTING, "bot")
    await post.opened()
    assert len(post.shown) == 1
    assert await post.client.hget(post.key, keys.PLACEHOLDER) == post.shown[0]["ts"]


async def test_a_ts_that_is_written_down_a_moment_later_is_adopted(post: Post) -> None:
    """A bot that is posting right now is waited for."""
    await post.client.hset(post.key, keys.POSTING, "bot")
    theirs = post.desk.workspace.raw_post(GENERAL, "…", user=ADA, thread_ts=post.job.thread.ts)
    posting = await post.taken()
    opening = asyncio.create_task(posting.open(await post.ledger.read(), None))
    await asyncio.sleep(0.2)
    await post.client.hset(post.key, keys.PLACEHOLDER, theirs)
    await opening
    assert post.shown == []


async def test_of_two_placeholders_the_later_goes_away(post: Post) -> None:
    """Somebody was faster although the intent was ours: ours is deleted, theirs is used."""
    first = await post.taken()
    entry = await post.ledger.read()
    theirs = post.desk.workspace.raw_post(GENERAL, "…", user=STARCHAT, thread_ts=post.job.thread.ts)
    post.desk.workspace.faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 0.5}
    )
    opening = asyncio.create_task(first.open(entry, SIGN))
    await asyncio.sleep(0.25)
    await post.client.hset(post.key, keys.PLACEHOLDER, theirs)
    await opening
    assert [one["ts"] for one in post.shown] == [theirs]


async def test_who_loses_the_lease_while_posting_takes_the_post_back(post: Post) -> None:
    """A worker that slept through its lease leaves no second message behind."""
    posting = await post.taken()
    entry = await post.ledger.read()
    post.desk.workspace.faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 0.5}
    )
    opening = asyncio.create_task(posting.open(entry, SIGN))
    await asyncio.sleep(0.25)
    await post.client.set(keys.lease(post.job.id), "another")
    with pytest.raises(LeaseLostError):
        await opening
    assert post.shown == []


async def test_who_loses_the_lease_leaves_what_another_has_adopted(post: Post) -> None:
    """If the successor found our message and uses it, deleting it would delete the reply."""
    posting = await post.taken()
    entry = await post.ledger.read()
    post.desk.workspace.faults(
        {"fault": "slow_after", "method": "chat.postMessage", "count": 1, "seconds": 1}
    )
    opening = asyncio.create_task(posting.open(entry, SIGN))
    [ours] = await post.sees(lambda shown: len(shown) == 1)
    await post.client.set(keys.lease(post.job.id), "another")
    await post.client.hset(post.key, keys.PLACEHOLDER, ours["ts"])
    with pytest.raises(LeaseLostError):
        await opening
    assert post.shown == [ours]


# -- growing


async def test_only_the_newest_text_is_shown(post: Post) -> None:
    """Edits keep their distance, and what was overtaken is never sent."""
    posting = await post.opened()
    async with posting.growing(render.growing) as growing:
        for number in range(200):
            await growing.show("word " * number)
            await asyncio.sleep(0.005)
    await posting.finish([message("done")], state="final", again=False)
    edits = post.desk.calls(post.job, "chat.update")
    assert 2 <= len(edits) <= 20
    assert edits[-1]["args"]["metadata"]["event_payload"]["state"] == "final"
    assert words(post.shown) == "done"


async def test_an_edit_on_its_way_never_overtakes_the_final(post: Post) -> None:
    """The final waits for an edit that Slack is slow to take."""
    posting = await post.opened()
    post.desk.workspace.faults(
        {"fault": "slow", "method": "chat.update", "count": 1, "seconds": 0.7}
    )
    async with posting.growing(render.growing) as growing:
        await growing.show("half")
        await asyncio.sleep(0.3)
    await posting.finish([message("whole")], state="final", again=False)
    await asyncio.sleep(0.6)
    assert words(post.shown) == "whole"


async def test_a_limited_edit_is_left_out_and_the_final_comes(post: Post) -> None:
    """Growing text gives way where Slack has no room for it; the end does not."""
    posting = await post.opened()
    post.desk.workspace.faults(
        {"fault": "ratelimited", "method": "chat.update", "count": 1, "retry_after": 1}
    )
    async with posting.growing(render.growing) as growing:
        for _ in range(10):
            await growing.show("half")
            await asyncio.sleep(0.02)
    await posting.finish([message("whole")], state="final", again=False)
    assert words(post.shown) == "whole"
    refused, *_, final = post.desk.calls(post.job, "chat.update")
    assert final["at"] - refused["at"] >= 1


async def test_growing_ends_when_the_message_is_gone(post: Post) -> None:
    """Whoever deletes the growing reply ends the generation."""
    posting = await post.opened()
    post.desk.workspace.control("delete", channel=GENERAL, ts=post.shown[0]["ts"])

    async def grow() -> None:
        async with posting.growing(render.growing) as growing:
            for number in range(1000):
                await growing.show(f"text {number}")
                await asyncio.sleep(0.01)

    with pytest.raises(ThreadGoneError):
        await grow()


async def test_nothing_grows_where_only_the_end_is_wanted(desk: Desk, post: Post) -> None:
    """In the mode `final` there is no edit before the last."""
    post.job = desk.question("quietly", display=Display.FINAL)
    posting = await post.opened()
    async with posting.growing(render.growing) as growing:
        for _ in range(5):
            await growing.show("text")
            await asyncio.sleep(0.05)
    assert desk.calls(post.job, "chat.update") == []


def test_ten_calls_do_for_an_ordinary_reply() -> None:
    """At the usual pace, eight edits between first sign and final last for twenty seconds."""
    pauses = [min(SLOWEST, 1.2 * SLOWER**number) for number in range(8)]
    assert pauses[0] == 1.2
    assert sum(pauses) > 20


# -- the final


async def test_a_final_is_repeated_until_slack_takes_it(post: Post) -> None:
    """An edit may be repeated after any failure."""
    posting = await post.opened()
    rules = [
        {"fault": fault, "method": "chat.update", "count": 1}
        for fault in ("drop_before", "drop_after", "status", "html", "truncated")
    ]
    post.desk.workspace.faults(*rules)
    await posting.finish([message("done")], state="final", again=False)
    assert words(post.shown) == "done"


async def test_each_part_is_there_once_after_any_number_of_attempts(post: Post) -> None:
    """Further messages and files of an earlier attempt are found, not posted again."""
    snippet = Snippet("reply.py", "python", "print('ä')\n", "reply.py")
    parts = (message("one"), snippet, message("two"), message("three"))
    await post.finished(*parts)
    await post.finished(*parts, again=True)
    await post.finished(*parts, again=True)

    assert [of(one) for one in post.shown] == ["one", "reply.py", "two", "three"]


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "truncated"])
@pytest.mark.parametrize("method", ["chat.postMessage", "files.completeUploadExternal"])
async def test_a_part_of_unknown_outcome_is_there_once(post: Post, method: str, fault: str) -> None:
    """Neither a further message nor a file is doubled when its answer is lost."""
    posting = await post.opened()
    post.desk.workspace.faults({"fault": fault, "method": method, "count": 1})
    snippet = Snippet("reply.py", "python", "print()\n", "reply.py")
    await posting.finish([message("one"), snippet, message("two")], state="final", again=False)
    assert [of(one) for one in post.shown] == ["one", "reply.py", "two"]


async def test_long_replies_are_taken_by_the_workspace(post: Post) -> None:
    """What rendering makes of pages of code is never refused, and all of it is there."""
    [(text, code)] = code_replies.replies(1)
    since = len(post.desk.workspace.calls())
    await post.finished(*render.final(text, facts=FACTS))
    assert [call["error"] for call in post.desk.workspace.calls(since) if call["error"]] == []
    shown = words(post.shown)
    assert all(line in shown for line in code)
