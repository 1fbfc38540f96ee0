"""The reply in the thread: one placeholder, one final, each part once, whatever goes wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import aiohttp
import pytest
from redis.asyncio import Redis
from slack_sdk.web.async_client import AsyncWebClient

from contract import keys
from contract.job import Display, Job
from tests.support import code_replies
from tests.support.desk import Desk, words
from tests.support.workspace import ADA, BOT_TOKEN, GENERAL, STARCHAT, Json, Messages
from worker import reply
from worker.errors import LeaseLostError, NotAllowedError, ThreadGoneError
from worker.faults import Faults
from worker.leases import JOB, Fence, Lease
from worker.ledger import Ledger
from worker.metrics import Metrics
from worker.posting import Posting
from worker.rates import Rates
from worker.reply import Facts, Message, Snippet
from worker.slack import RefusedError, Slack, SlackAwayError
from worker.thread import SlackThread

SIGN = reply.growing("")
FACTS = Facts(model="tiny", reason="stop", max_new_tokens=9)
PACE = 0.05


class Post:
    """A question and the means to reply to it, as a worker that has just taken it."""

    def __init__(self, desk: Desk, client: Redis, slack: Slack, job: Job) -> None:
        self.desk = desk
        self.client = client
        self.slack = slack
        self.job = job
        self.key = JOB + job.id

    async def taken(self, patience: float = 30.0) -> Posting:
        """Let a new execution take the job."""
        lease = Lease(self.job.id, uuid4().hex)
        await self.client.set(keys.lease(self.job.id), lease.execution, ex=600)
        self.ledger = Ledger(self.client, Fence(self.client, 600), lease)
        thread = SlackThread(self.slack, self.job, time.monotonic() + patience)
        return Posting(thread, self.ledger, self.job, Faults(), PACE)

    async def opened(self) -> Posting:
        """Let a new execution take the job and show that it has."""
        posting = await self.taken()
        await posting.open(await self.ledger.read(), SIGN)
        return posting

    async def finished(self, *parts: reply.Part, again: bool = False) -> None:
        """Let a new execution show a finished reply."""
        posting = await self.opened()
        await posting.finish(parts, state="final", again=again)

    async def sees(self, enough: Callable[[Messages], bool]) -> Messages:
        """Wait until a person sees enough of ours in the thread."""

        def look() -> Messages | None:
            return self.shown if enough(self.shown) else None

        return await asyncio.to_thread(self.desk.workspace.wait_until, look)

    @property
    def shown(self) -> Messages:
        """What stands in the thread of ours."""
        return self.desk.said_by_us(self.job)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A workspace and a Redis of this module's own."""
    with Desk() as desk:
        yield desk


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[Redis]:
    """A connection for the event loop."""
    async with Redis.from_url(desk.server.url, decode_responses=True) as client:
        await client.flushall()
        yield client
    desk.workspace.faults()


@pytest.fixture
async def slack(desk: Desk, client: Redis) -> AsyncIterator[Slack]:
    """The Web API of the desk's workspace."""
    timeout = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        web = AsyncWebClient(
            token=BOT_TOKEN, base_url=desk.workspace.api_url, session=session, retry_handlers=[]
        )
        yield Slack(web, Rates(client), Metrics())


@pytest.fixture
def post(desk: Desk, client: Redis, slack: Slack) -> Post:
    """A question that a worker has just taken."""
    return Post(desk, client, slack, desk.question("What is a mutex?"))


def message(text: str) -> Message:
    """Return a finished reply of one part."""
    [part] = reply.final(text, facts=FACTS)
    assert isinstance(part, Message)
    return part


def of(shown: Json) -> str:
    """Return what a message of ours says, or the file that it shows."""
    return words([shown]) or str(shown["files"][0]["name"])


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
    async with posting.growing(reply.growing) as growing:
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
    async with posting.growing(reply.growing) as growing:
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
    async with posting.growing(reply.growing) as growing:
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
        async with posting.growing(reply.growing) as growing:
            for number in range(1000):
                await growing.show(f"text {number}")
                await asyncio.sleep(0.01)

    with pytest.raises(ThreadGoneError):
        await grow()


async def test_nothing_grows_where_only_the_end_is_wanted(desk: Desk, post: Post) -> None:
    """In the mode `final` there is no edit before the last."""
    post.job = desk.question("quietly", display=Display.FINAL)
    post.key = JOB + post.job.id
    posting = await post.opened()
    async with posting.growing(reply.growing) as growing:
        for _ in range(5):
            await growing.show("text")
            await asyncio.sleep(0.05)
    assert desk.calls(post.job, "chat.update") == []


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
    await post.finished(*reply.final(text, facts=FACTS))
    assert [call["error"] for call in post.desk.workspace.calls(since) if call["error"]] == []
    shown = words(post.shown)
    assert all(line in shown for line in code)


# -- where Slack refuses


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
