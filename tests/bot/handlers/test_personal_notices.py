"""Personal notices: a flood of one person gets one joined word a minute, only for that person."""

from collections.abc import Iterator

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.notices import PUBLIC_SENTENCES, Notice, Sentence
from bot.slack.poster import Poster
from bot.store.scripts import load_script
from bot.store.thread_cache import ThreadCache
from contract import keys
from testing.polling import poll_until
from testing.slack_events import BOT_IDENTITY, make_body, make_message
from testing.workspace import ADA, GENERAL, LIN, Json, Workspace

TEAM = BOT_IDENTITY.team
QUOTA = Notice(Sentence.USER_QUOTA, waiting=8, seconds=30)


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Remove injected faults after each test."""
    yield
    workspace.set_faults()


@pytest.fixture
def outbox(
    redis: Redis, web: WebClient, background: BackgroundTasks, languages: ReaderLanguages
) -> NoticeOutbox:
    """Return the outbox of a bot."""
    threads = ThreadCache(redis, web, BOT_IDENTITY)
    return NoticeOutbox(redis, TEAM, Poster(web), threads, languages, background)


def make_post(number: int, user: str = ADA, channel: str = GENERAL, **more: str) -> MessagePosted:
    """Return a message that asks."""
    raw = {**make_message(), "ts": f"1700000000.{number:06}", "channel": channel, "user": user}
    event = parse_event(make_body({**raw, **more}), BOT_IDENTITY)
    assert isinstance(event, MessagePosted)
    return event


def list_ephemerals(workspace: Workspace, since: int) -> list[Json]:
    """Return the arguments of the ephemeral messages that Slack accepted."""
    calls = workspace.api_calls(since, method="chat.postEphemeral")
    return [call["args"] for call in calls if call["status"] == 200 and not call["error"]]


def wait_for_quiet_period(redis: Redis, user: str = ADA, channel: str = GENERAL) -> None:
    """Wait until a notice is settled, so that a minute without another one begins."""
    key = keys.personal_notice(TEAM, channel, user)
    poll_until(lambda: redis.hexists(key, "quiet_until"), description="the quiet period")


def end_quiet_period(redis: Redis, user: str = ADA, channel: str = GENERAL) -> None:
    """Let the minute after a notice pass, once the notice is settled."""
    wait_for_quiet_period(redis, user, channel)
    key = keys.personal_notice(TEAM, channel, user)
    redis.hset(key, "quiet_until", 1)
    if redis.zscore(keys.notice_schedule(TEAM), f"{channel}:{user}") is not None:
        redis.zadd(keys.notice_schedule(TEAM), {f"{channel}:{user}": 1})


def test_flood_of_one_person_gets_one_joined_word_a_minute(
    outbox: NoticeOutbox, workspace: Workspace, redis: Redis
) -> None:
    """The first refusal reaches its user at once, the others of that minute in one message."""
    since = len(workspace.api_calls())
    for number in range(42):
        outbox.post_notice(make_post(number), QUOTA)
        outbox.post_notice(make_post(number), QUOTA)
    outbox.post_notice(make_post(99, LIN), QUOTA)
    poll_until(lambda: len(list_ephemerals(workspace, since)) == 2, description="two words")
    outbox.post_due_notices()
    told = {args["user"]: args["text"] for args in list_ephemerals(workspace, since)}
    assert len(list_ephemerals(workspace, since)) == 2
    assert told[LIN] == str(QUOTA.describe())

    end_quiet_period(redis)
    outbox.post_due_notices()
    poll_until(lambda: len(list_ephemerals(workspace, since)) == 3, description="the joined word")
    first, joined = [a["text"] for a in list_ephemerals(workspace, since) if a["user"] == ADA]
    told_first = 1 if first == str(QUOTA.describe()) else int(first.split()[0])
    assert joined == str(QUOTA.describe(42 - told_first, is_more=True))
    end_quiet_period(redis)
    outbox.post_due_notices()
    assert len(list_ephemerals(workspace, since)) == 3
    assert workspace.api_calls(since, method="chat.postMessage") == []


def test_repeated_help_is_shown_to_its_author_alone(
    outbox: NoticeOutbox, workspace: Workspace, redis: Redis
) -> None:
    """The first help text of a minute is public, the others are one ephemeral word."""
    since = len(workspace.api_calls())
    for number in range(5):
        root = workspace.post_message(ADA, GENERAL, "hello")
        outbox.post_notice(make_post(number, ts=root), Notice(Sentence.HELP))
    poll_until(lambda: list_ephemerals(workspace, since), description="the first word")
    end_quiet_period(redis)
    outbox.post_due_notices()
    outbox.background.drain(5)
    assert len(list_ephemerals(workspace, since)) <= 2
    assert len(workspace.api_calls(since, method="chat.postMessage")) == 1


@pytest.mark.parametrize("sentence", [s for s in Sentence if s not in PUBLIC_SENTENCES])
def test_every_word_to_one_person_is_joined(
    outbox: NoticeOutbox, workspace: Workspace, redis: Redis, sentence: Sentence
) -> None:
    """Help, guests, long questions: no kind of message makes the bot flood Slack."""
    since = len(workspace.api_calls())
    outbox.post_notice(make_post(0), Notice(sentence))
    poll_until(lambda: list_ephemerals(workspace, since), description="the first word")
    # An equal word that comes before is the word that was sent.
    wait_for_quiet_period(redis)
    for number in range(1, 5):
        outbox.post_notice(make_post(number), Notice(sentence))
    end_quiet_period(redis)
    # A background task may post it instead, and may still be at it.
    outbox.post_due_notices()
    poll_until(lambda: len(list_ephemerals(workspace, since)) > 1, description="the joined word")
    outbox.background.drain(5)
    assert len(list_ephemerals(workspace, since)) == 2


def test_confirmations_in_one_thread_are_posted_once_a_minute(
    outbox: NoticeOutbox, workspace: Workspace
) -> None:
    """A repeated command in a thread repeats no message to everybody."""
    since = len(workspace.api_calls())
    root = workspace.post_message(ADA, GENERAL, "hello")
    for number in range(5):
        outbox.post_notice(make_post(number, thread_ts=root), Notice(Sentence.MUTE))
    poll_until(lambda: workspace.bot_replies(GENERAL, root), description="the confirmation")
    outbox.background.drain(5)
    assert len(workspace.api_calls(since, method="chat.postMessage")) == 1


def test_rate_limited_word_is_kept_and_joined(
    outbox: NoticeOutbox, workspace: Workspace, redis: Redis
) -> None:
    """A word that Slack did not take is sent later, and not before `Retry-After` is over."""
    fault = {"fault": "ratelimited", "retry_after": 30.5, "count": 1}
    workspace.set_faults({"method": "chat.postEphemeral", **fault})
    since, (seconds, micros) = len(workspace.api_calls()), redis.time()
    name = f"{GENERAL}:{ADA}"
    outbox.post_notice(make_post(1), QUOTA)
    key = keys.personal_notice(TEAM, GENERAL, ADA)
    poll_until(lambda: redis.hexists(key, "quiet_until"), description="the word to be put back")
    due = redis.zscore(keys.notice_schedule(TEAM), name)
    assert due is not None
    assert due >= seconds + micros / 1e6 + 30.5
    outbox.post_notice(make_post(2), QUOTA)
    outbox.post_due_notices()
    assert list_ephemerals(workspace, since) == []
    end_quiet_period(redis)
    outbox.post_due_notices()
    [args] = list_ephemerals(workspace, since)
    assert args["text"] == str(QUOTA.describe(2))


def test_word_of_a_bot_that_died_is_sent_by_another(
    outbox: NoticeOutbox, workspace: Workspace, redis: Redis
) -> None:
    """The lease ends, and what was recorded since is joined to the word."""
    since, name = len(workspace.api_calls()), f"{GENERAL}:{ADA}"
    key, schedule = keys.personal_notice(TEAM, GENERAL, ADA), keys.notice_schedule(TEAM)
    outbox.personal.record_for_message(make_post(1), QUOTA)
    lease = redis.register_script(load_script("lease_personal_notice"))
    assert lease(keys=[key, schedule], args=[name, 20]) is not None
    outbox.personal.record_for_message(make_post(2), QUOTA)
    outbox.personal.deliver(GENERAL, ADA)
    assert list_ephemerals(workspace, since) == []
    redis.zadd(schedule, {name: 1})
    outbox.post_due_notices()
    [args] = list_ephemerals(workspace, since)
    assert args["text"] == str(QUOTA.describe(2))
    assert redis.zscore(schedule, name) is None


def test_lost_response_repeats_no_word(
    outbox: NoticeOutbox, workspace: Workspace, redis: Redis
) -> None:
    """An ephemeral message is sent at most once: Slack cannot tell whether it arrived."""
    workspace.set_faults({"method": "chat.postEphemeral", "fault": "drop_after", "count": 1})
    since = len(workspace.api_calls())
    outbox.post_notice(make_post(1), QUOTA)
    poll_until(lambda: workspace.api_calls(since, method="chat.postEphemeral"))
    outbox.background.drain(5)
    end_quiet_period(redis)
    outbox.post_due_notices()
    assert len(workspace.api_calls(since, method="chat.postEphemeral")) == 1
