"""Acceptance: a question and the thread that it begins are saved in one step."""

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.messages.admission import ThreadMode
from bot.store.acceptance import EnqueueOutcome, FollowCalls, QueueLimits
from bot.store.inbox import Inbox
from bot.store.job_queue import JobQueue
from bot.store.received import ReceivedMessage
from bot.store.scripts import load_accept_script
from bot.store.thread_cache import ThreadCache, build_seed_call
from bot.store.thread_modes import ThreadModes, build_join_call
from contract import keys
from testing.slack_events import BOT_IDENTITY, make_message_event, message_ts


@pytest.fixture
def queue(redis: Redis) -> JobQueue:
    """A queue with room for one question."""
    return JobQueue(redis, QueueLimits(max_pending=1))


@pytest.fixture
def inbox(redis: Redis, queue: JobQueue) -> Inbox:
    """The inbox of the queue."""
    return Inbox(redis, BOT_IDENTITY.team, queue)


@pytest.fixture
def cache(redis: Redis) -> ThreadCache:
    """The cache of threads; nothing is read from Slack."""
    return ThreadCache(redis, WebClient(), BOT_IDENTITY)


def test_question_and_its_new_thread_are_saved_in_one_call(
    redis: Redis, inbox: Inbox, cache: ThreadCache
) -> None:
    """A bot that dies after the call leaves a thread that is followed and cached."""
    received, follow_calls = make_question(1)
    assert received.post.message is not None
    redis.script_load(load_accept_script())
    redis.config_resetstat()

    assert inbox.accept(received, follow_calls=follow_calls).outcome is EnqueueOutcome.ACCEPTED
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == 1
    assert ThreadModes(redis).get_mode(received.thread, message_ts(1)) is ThreadMode.AUTO
    assert cache.get_messages(received.thread) == (received.post.message,)
    assert cache.count_known_people(received.thread) == 1


def test_thread_of_unknown_length_is_followed_without_a_copy(
    redis: Redis, inbox: Inbox, cache: ThreadCache
) -> None:
    """Its messages are read from Slack."""
    received, follow_calls = make_question(1)
    inbox.accept(received, follow_calls=follow_calls._replace(seed=None))

    assert ThreadModes(redis).get_mode(received.thread, message_ts(1)) is ThreadMode.AUTO
    assert cache.get_messages(received.thread) is None


def test_refused_question_is_not_followed(redis: Redis, inbox: Inbox, cache: ThreadCache) -> None:
    """The bot would take the next message of that thread for a question."""
    first, follow_calls = make_question(1)
    inbox.accept(first, follow_calls=follow_calls)
    refused, follow_calls = make_question(2)

    assert inbox.accept(refused, follow_calls=follow_calls).outcome is EnqueueOutcome.QUEUE_FULL
    assert ThreadModes(redis).get_mode(refused.thread, message_ts(2)) is None
    assert cache.get_messages(refused.thread) is None


def test_repeated_question_changes_no_thread(
    redis: Redis, inbox: Inbox, cache: ThreadCache
) -> None:
    """Its thread was followed with the first delivery, and may have been forgotten since."""
    received, follow_calls = make_question(1)
    inbox.accept(received, follow_calls=follow_calls)
    redis.delete(*follow_calls.join.keys, *(follow_calls.seed or follow_calls.join).keys)

    assert inbox.accept(received, follow_calls=follow_calls).outcome is EnqueueOutcome.DUPLICATE
    assert ThreadModes(redis).get_mode(received.thread, message_ts(3)) is None
    assert cache.get_messages(received.thread) is None


@pytest.mark.parametrize("field", ["total", "starchat:T0HOME:thread_cache:C1:1.1"])
def test_malformed_size_of_cached_text_costs_no_thread(
    redis: Redis, inbox: Inbox, cache: ThreadCache, field: str
) -> None:
    """The thread is followed, and its copy is read from Slack."""
    redis.hset(keys.text_sizes(BOT_IDENTITY.team), field, "poison")
    redis.zadd(keys.text_index(BOT_IDENTITY.team), {field: 1})
    received, follow_calls = make_question(1)

    assert inbox.accept(received, follow_calls=follow_calls).outcome is EnqueueOutcome.ACCEPTED
    assert ThreadModes(redis).get_mode(received.thread, message_ts(1)) is ThreadMode.AUTO
    assert cache.get_messages(received.thread) is None


def make_question(number: int) -> tuple[ReceivedMessage, FollowCalls]:
    """Return a question that begins a thread, and the calls that follow it."""
    post = make_message_event(number)
    assert post.message is not None
    follow_calls = FollowCalls(
        build_join_call(post.thread, post.ts), build_seed_call(post.thread, post.message)
    )
    return ReceivedMessage(post=post), follow_calls
