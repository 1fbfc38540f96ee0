"""What the bot itself has to say is said once, also if its bot dies or Slack's answer is lost."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.background import Background
from bot.handlers.notice_outbox import Notices
from bot.messages.events import Posted, read
from bot.slack.poster import Posting
from bot.store.client import text
from bot.store.thread_cache import Threads
from contract import keys
from testing.polling import poll_until
from testing.slack_events import BOT_IDENTITY, make_body, make_message
from testing.workspace import ADA, GENERAL, Workspace, message_texts

SAID = "Too much waits."


@pytest.fixture
def background() -> Iterator[Background]:
    """Run errands until the test is over."""
    running = Background()
    yield running
    running.close(5)


@pytest.fixture(autouse=True)
def healthy(workspace: Workspace) -> Iterator[None]:
    """Leave no fault behind."""
    yield
    workspace.set_faults()


@pytest.fixture
def notices(redis: Redis, web: WebClient, background: Background) -> Notices:
    """Return the notices of a bot whose word is good for a minute."""
    return made(redis, web, background, lease=60)


@pytest.fixture
def impatient(redis: Redis, web: WebClient, background: Background) -> Notices:
    """Return the notices of a bot that takes over at once what another one was about to say."""
    return made(redis, web, background, lease=0)


def made(redis: Redis, web: WebClient, background: Background, lease: float) -> Notices:
    """Return the notices of a bot."""
    threads = Threads(redis, web, BOT_IDENTITY)
    return Notices(redis, BOT_IDENTITY.team, Posting(web), threads, background, lease=lease)


def asked(workspace: Workspace) -> Posted:
    """Let Ada ask in a thread of her own."""
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    event = read(make_body({**make_message(), "ts": ts, "channel": GENERAL}), BOT_IDENTITY)
    assert isinstance(event, Posted)
    return event


def noted(redis: Redis) -> list[str]:
    """Return what is still to be said."""
    found: Any = redis.zrange(keys.notice_schedule(BOT_IDENTITY.team), 0, -1)
    return [text(name) for name in found]


def said(workspace: Workspace, post: Posted, *, times: int = 1) -> None:
    """Check how often it was said."""
    assert message_texts(workspace.bot_replies(GENERAL, post.ts)) == [SAID] * times


def test_a_sentence_is_said_once_for_all_deliveries(
    notices: Notices, workspace: Workspace, redis: Redis
) -> None:
    """And nothing of it stays in Redis but the mark of its message."""
    post = asked(workspace)
    notices.say(post, SAID)
    notices.say(post, SAID)
    poll_until(lambda: not noted(redis), description="the sentence to be struck out")
    notices.sweep()

    said(workspace, post)
    left = {text(key) for key in redis.scan_iter()}
    assert left == {keys.REDIS_SENTINEL, keys.idempotency_key(BOT_IDENTITY.team, GENERAL, post.ts)}


def test_a_sentence_of_a_bot_that_died_is_said_by_another(
    workspace: Workspace, redis: Redis, web: WebClient, background: Background, impatient: Notices
) -> None:
    """It was noted with the mark of its message, before anything was acknowledged."""
    dead = Background(most=0)
    post = asked(workspace)
    made(redis, web, dead, lease=0).say(post, SAID)
    dead.close(0)
    said(workspace, post, times=0)
    impatient.sweep()

    said(workspace, post)
    assert noted(redis) == []


def test_a_sentence_that_somebody_is_saying_is_left_alone(
    workspace: Workspace, redis: Redis, web: WebClient, notices: Notices
) -> None:
    """Two bots sweep; only what nobody has spoken for is theirs."""
    dead = Background(most=0)
    post = asked(workspace)
    made(redis, web, dead, lease=60).say(post, SAID)
    dead.close(0)
    notices.sweep()

    said(workspace, post, times=0)
    assert noted(redis) == [f"{GENERAL}:{post.ts}"]


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "truncated"])
def test_a_sentence_whose_post_has_arrived_is_not_said_again(
    workspace: Workspace, redis: Redis, impatient: Notices, fault: str
) -> None:
    """Slack's answer was lost; the thread shows that the sentence was not."""
    workspace.set_faults({"method": "chat.postMessage", "fault": fault, "count": 1})
    post = asked(workspace)
    impatient.say(post, SAID)
    poll_until(lambda: _tried(redis, post) == 1, description="the first try")
    poll_until(lambda: workspace.bot_replies(GENERAL, post.ts), description="the sentence")
    impatient.sweep()

    said(workspace, post)
    assert noted(redis) == []


@pytest.mark.parametrize("fault", ["drop_before", "status"])
def test_a_sentence_whose_post_was_lost_is_said_again(
    workspace: Workspace, redis: Redis, impatient: Notices, fault: str
) -> None:
    """Nobody could know, so the thread was looked at first."""
    workspace.set_faults({"method": "chat.postMessage", "fault": fault, "count": 1})
    post = asked(workspace)
    seen = workspace.api_calls()
    impatient.say(post, SAID)
    poll_until(lambda: _posts(workspace, len(seen)) == 1, description="the first try")
    poll_until(lambda: _swept(impatient, redis), description="the second try")

    said(workspace, post)


def test_a_sentence_that_slack_puts_off_comes_later(
    workspace: Workspace, redis: Redis, impatient: Notices
) -> None:
    """Not before the time that Slack has named."""
    fault = {"fault": "ratelimited", "retry_after": 120, "count": 1}
    workspace.set_faults({"method": "chat.postMessage", **fault})
    post = asked(workspace)
    impatient.say(post, SAID)
    name = f"{GENERAL}:{post.ts}"

    def put_off() -> bool:
        due = redis.zscore(keys.notice_schedule(BOT_IDENTITY.team), name)
        return due is not None and due - redis.time()[0] > 60

    poll_until(put_off, description="the sentence to be put off")
    impatient.sweep()
    said(workspace, post, times=0)
    redis.zadd(keys.notice_schedule(BOT_IDENTITY.team), {name: 0})
    impatient.sweep()
    said(workspace, post)


@pytest.mark.parametrize("error", ["channel_not_found", "is_archived", "not_in_channel"])
def test_a_sentence_that_slack_refuses_is_given_up(
    workspace: Workspace, redis: Redis, impatient: Notices, error: str
) -> None:
    """There is nobody left to read it."""
    workspace.set_faults(
        {"method": "chat.postMessage", "fault": "error", "error": error, "count": 1}
    )
    post = asked(workspace)
    impatient.say(post, SAID)
    poll_until(lambda: not noted(redis), description="the sentence to be given up")

    said(workspace, post, times=0)


def _swept(notices: Notices, redis: Redis) -> bool:
    notices.sweep()
    return not noted(redis)


def _tried(redis: Redis, post: Posted) -> int:
    tries = redis.hget(keys.pending_notice(BOT_IDENTITY.team, GENERAL, post.ts), "tries")
    return int(tries or 0)


def _posts(workspace: Workspace, since: int) -> int:
    return sum(call["method"] == "chat.postMessage" for call in workspace.api_calls(since))
