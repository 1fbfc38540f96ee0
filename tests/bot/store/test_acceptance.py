"""Acceptance: a question and the thread that it begins are saved in one step."""

from dataclasses import replace

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.messages.admission import ThreadMode
from bot.store.acceptance import EnqueueOutcome, Following, QueueLimits
from bot.store.inbox import Inbox
from bot.store.job_queue import JobQueue
from bot.store.received import ReceivedMessage
from bot.store.scripts import load_accept_script
from bot.store.thread_cache import ThreadCache, build_seed_call
from bot.store.thread_modes import ThreadModes, build_join_call
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
    received, following = make_question(1)
    assert received.post.message is not None
    redis.script_load(load_accept_script())
    redis.config_resetstat()

    assert inbox.accept(received, following=following).outcome is EnqueueOutcome.ACCEPTED
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == 1
    assert ThreadModes(redis).get_mode(received.thread, message_ts(1)) is ThreadMode.AUTO
    assert cache.get_messages(received.thread) == (received.post.message,)
    assert cache.count_known_people(received.thread) == 1


def test_thread_of_unknown_length_is_followed_without_a_copy(
    redis: Redis, inbox: Inbox, cache: ThreadCache
) -> None:
    """Its messages are read from Slack."""
    received, following = make_question(1)
    inbox.accept(received, following=following._replace(seed=None))

    assert ThreadModes(redis).get_mode(received.thread, message_ts(1)) is ThreadMode.AUTO
    assert cache.get_messages(received.thread) is None


def test_refused_question_is_not_followed(redis: Redis, inbox: Inbox, cache: ThreadCache) -> None:
    """The bot would take the next message of that thread for a question."""
    first, following = make_question(1)
    inbox.accept(first, following=following)
    refused, following = make_question(2)

    assert inbox.accept(refused, following=following).outcome is EnqueueOutcome.QUEUE_FULL
    assert ThreadModes(redis).get_mode(refused.thread, message_ts(2)) is None
    assert cache.get_messages(refused.thread) is None


def test_repeated_question_changes_no_thread(
    redis: Redis, queue: JobQueue, inbox: Inbox, cache: ThreadCache
) -> None:
    """A person may have muted the thread since the first delivery."""
    queue.limits = replace(queue.limits, max_pending=2)
    received, following = make_question(1)
    inbox.accept(received, following=following)
    ThreadModes(redis).join_thread(received.thread, message_ts(2), ThreadMode.MUTE)

    assert inbox.accept(received, following=following).outcome is EnqueueOutcome.DUPLICATE
    assert ThreadModes(redis).get_mode(received.thread, message_ts(3)) is ThreadMode.MUTE


def make_question(number: int) -> tuple[ReceivedMessage, Following]:
    """Return a question that begins a thread, and the calls that follow it."""
    post = make_message_event(number)
    assert post.message is not None
    following = Following(
        build_join_call(post.thread, post.ts), build_seed_call(post.thread, post.message)
    )
    return ReceivedMessage(post=post), following
