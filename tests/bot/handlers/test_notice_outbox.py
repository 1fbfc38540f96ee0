"""Notice outbox: each notice is posted once, despite crashes and lost responses."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.notices import Notice, Sentence
from bot.slack.poster import Poster
from bot.store.client import decode_reply
from bot.store.thread_cache import ThreadCache
from contract import keys
from testing.polling import poll_until
from testing.slack_events import BOT_IDENTITY, make_body, make_message
from testing.workspace import ADA, GENERAL, Workspace, message_texts

NOTICE = Notice(Sentence.FOLLOW)
SENTENCE = str(NOTICE.describe())


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    workspace.set_faults()


@pytest.fixture
def outbox(
    redis: Redis, web: WebClient, background: BackgroundTasks, languages: ReaderLanguages
) -> NoticeOutbox:
    """Return the outbox of a bot whose word is good for a minute."""
    return make_outbox(redis, web, background, languages, lease=60)


@pytest.fixture
def expired_outbox(
    redis: Redis, web: WebClient, background: BackgroundTasks, languages: ReaderLanguages
) -> NoticeOutbox:
    """Return the outbox of a bot that takes over at once what another one was about to say."""
    return make_outbox(redis, web, background, languages, lease=0)


def make_outbox(
    redis: Redis,
    web: WebClient,
    background: BackgroundTasks,
    languages: ReaderLanguages,
    *,
    lease: float,
) -> NoticeOutbox:
    """Return the outbox of a bot."""
    threads = ThreadCache(redis, web, BOT_IDENTITY)
    return NoticeOutbox(
        redis, BOT_IDENTITY.team, Poster(web), threads, languages, background, lease_seconds=lease
    )


def ask_as_ada(workspace: Workspace) -> MessagePosted:
    """Ask as Ada in a new thread."""
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    event = parse_event(make_body({**make_message(), "ts": ts, "channel": GENERAL}), BOT_IDENTITY)
    assert isinstance(event, MessagePosted)
    return event


def list_recorded_notices(redis: Redis) -> list[str]:
    """Return what is still to be assert_posted."""
    found: Any = redis.zrange(keys.notice_schedule(BOT_IDENTITY.team), 0, -1)
    return [decode_reply(name) for name in found]


def assert_posted(workspace: Workspace, post: MessagePosted, *, times: int = 1) -> None:
    """Check how often it was assert_posted."""
    assert message_texts(workspace.bot_replies(GENERAL, post.ts)) == [SENTENCE] * times


def test_notice_is_posted_once_for_all_deliveries(
    outbox: NoticeOutbox, workspace: Workspace, redis: Redis
) -> None:
    """Afterwards, Redis holds only what was read for its language, and keys of the message."""
    post = ask_as_ada(workspace)
    outbox.post_notice(post, NOTICE)
    outbox.post_notice(post, NOTICE)
    poll_until(
        lambda: not list_recorded_notices(redis), description="the sentence to be struck out"
    )
    outbox.post_due_notices()

    assert_posted(workspace, post)
    left = {decode_reply(key) for key in redis.scan_iter()}
    assert left == {
        keys.REDIS_SENTINEL,
        keys.user_profile(BOT_IDENTITY.team, ADA),
        keys.channel_rules(BOT_IDENTITY.team),
        keys.idempotency_key(BOT_IDENTITY.team, GENERAL, post.ts),
        keys.notice_quiet(BOT_IDENTITY.team, GENERAL, post.ts, "follow"),
    }


def test_notice_of_dead_bot_is_posted_by_another(
    workspace: Workspace,
    redis: Redis,
    web: WebClient,
    background: BackgroundTasks,
    languages: ReaderLanguages,
    expired_outbox: NoticeOutbox,
) -> None:
    """The notice is recorded with the idempotency key, before the acknowledgement."""
    dead = BackgroundTasks(max_waiting=0)
    post = ask_as_ada(workspace)
    make_outbox(redis, web, dead, languages, lease=0).post_notice(post, NOTICE)
    dead.drain(0)
    assert_posted(workspace, post, times=0)
    expired_outbox.post_due_notices()

    assert_posted(workspace, post)
    assert list_recorded_notices(redis) == []


def test_leased_notice_is_not_taken_over(
    workspace: Workspace,
    redis: Redis,
    web: WebClient,
    languages: ReaderLanguages,
    outbox: NoticeOutbox,
) -> None:
    """A second bot does not post a notice whose lease is valid."""
    dead = BackgroundTasks(max_waiting=0)
    post = ask_as_ada(workspace)
    make_outbox(redis, web, dead, languages, lease=60).post_notice(post, NOTICE)
    dead.drain(0)
    outbox.post_due_notices()

    assert_posted(workspace, post, times=0)
    assert list_recorded_notices(redis) == [f"{GENERAL}:{post.ts}"]


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "truncated"])
def test_notice_with_lost_response_is_not_repeated(
    workspace: Workspace, redis: Redis, expired_outbox: NoticeOutbox, fault: str
) -> None:
    """If Slack's response was lost, the thread shows that the notice was posted."""
    workspace.set_faults({"method": "chat.postMessage", "fault": fault, "count": 1})
    post = ask_as_ada(workspace)
    expired_outbox.post_notice(post, NOTICE)
    poll_until(lambda: _count_attempts(redis, post) == 1, description="the first try")
    poll_until(lambda: workspace.bot_replies(GENERAL, post.ts), description="the sentence")
    expired_outbox.post_due_notices()

    assert_posted(workspace, post)
    assert list_recorded_notices(redis) == []


@pytest.mark.parametrize("fault", ["drop_before", "status"])
def test_notice_with_lost_post_is_repeated(
    workspace: Workspace, redis: Redis, expired_outbox: NoticeOutbox, fault: str
) -> None:
    """If the thread has no such notice, it is posted again."""
    workspace.set_faults({"method": "chat.postMessage", "fault": fault, "count": 1})
    post = ask_as_ada(workspace)
    seen = workspace.api_calls()
    expired_outbox.post_notice(post, NOTICE)
    poll_until(lambda: _count_posts(workspace, len(seen)) == 1, description="the first try")
    poll_until(lambda: _sweep_until_empty(expired_outbox, redis), description="the second try")

    assert_posted(workspace, post)


def test_rate_limited_notice_waits_for_retry_after(
    workspace: Workspace, redis: Redis, expired_outbox: NoticeOutbox
) -> None:
    """The notice is posted after the time in `Retry-After`, and not before."""
    fault = {"fault": "ratelimited", "retry_after": 120, "count": 1}
    workspace.set_faults({"method": "chat.postMessage", **fault})
    post = ask_as_ada(workspace)
    expired_outbox.post_notice(post, NOTICE)
    name = f"{GENERAL}:{post.ts}"

    def put_off() -> bool:
        due = redis.zscore(keys.notice_schedule(BOT_IDENTITY.team), name)
        return due is not None and due - redis.time()[0] > 60

    poll_until(put_off, description="the sentence to be put off")
    expired_outbox.post_due_notices()
    assert_posted(workspace, post, times=0)
    redis.zadd(keys.notice_schedule(BOT_IDENTITY.team), {name: 0})
    expired_outbox.post_due_notices()
    assert_posted(workspace, post)


@pytest.mark.parametrize(
    "forged",
    [
        b"<!channel> <https://evil.example|slack.com>",
        b'["<!channel>", 0, null]',
        b'["user_quota", "<!here>", 1]',
        b'["queue_full", 1, 1e999]',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_forged_notice_is_never_posted(
    workspace: Workspace, redis: Redis, expired_outbox: NoticeOutbox, forged: bytes
) -> None:
    """Redis holds names and numbers: who writes to it cannot make the bot post markup."""
    post = ask_as_ada(workspace)
    schedule = keys.notice_schedule(BOT_IDENTITY.team)
    key = keys.pending_notice(BOT_IDENTITY.team, GENERAL, post.ts)
    redis.hset(key, mapping={"notice": forged, "thread": post.ts, "tries": 0})
    personal = keys.personal_notice(BOT_IDENTITY.team, GENERAL, ADA)
    redis.hset(personal, mapping={"notice": forged, "thread": "", "refused": 1})
    redis.set("starchat:T0FAKE0001:pending_notice:C1:1.1", forged)
    redis.zadd(schedule, {f"{GENERAL}:{post.ts}": 1, f"{GENERAL}:{ADA}": 1, "C1:1.1": 1})
    redis.zadd(schedule, {forged: 1})
    before = len(workspace.api_calls())
    expired_outbox.post_due_notices()

    assert [c for c in workspace.api_calls(before) if c["method"].startswith("chat.")] == []
    assert list_recorded_notices(redis) == []


@pytest.mark.parametrize("error", ["channel_not_found", "is_archived", "not_in_channel"])
def test_rejected_notice_is_removed(
    workspace: Workspace, redis: Redis, expired_outbox: NoticeOutbox, error: str
) -> None:
    """A notice in a channel that the bot cannot use is removed."""
    workspace.set_faults(
        {"method": "chat.postMessage", "fault": "error", "error": error, "count": 1}
    )
    post = ask_as_ada(workspace)
    expired_outbox.post_notice(post, NOTICE)
    poll_until(lambda: not list_recorded_notices(redis), description="the sentence to be given up")

    assert_posted(workspace, post, times=0)


def _sweep_until_empty(outbox: NoticeOutbox, redis: Redis) -> bool:
    outbox.post_due_notices()
    return not list_recorded_notices(redis)


def _count_attempts(redis: Redis, post: MessagePosted) -> int:
    tries = redis.hget(keys.pending_notice(BOT_IDENTITY.team, GENERAL, post.ts), "tries")
    return int(tries or 0)


def _count_posts(workspace: Workspace, since: int) -> int:
    return sum(call["method"] == "chat.postMessage" for call in workspace.api_calls(since))
