"""Bounds of cached threads: bytes of a copy, bytes of a team, and people without their text."""

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.messages.message import AuthorKind, Message
from bot.store.purge import Purge
from bot.store.thread_cache import ThreadCache
from bot.store.thread_reader import MAX_COPY_BYTES
from contract import keys
from contract.job import Thread
from testing.slack_events import BOT_IDENTITY, message_ts
from testing.thread_copies import seed_thread
from testing.workspace import ADA, GENERAL, LIN, Workspace

TEAM = BOT_IDENTITY.team
ROOT = message_ts(1)
THREAD = Thread(team=TEAM, channel=GENERAL, ts=ROOT)
COPY = keys.thread_cache(TEAM, GENERAL, ROOT)


@pytest.fixture
def cache(redis: Redis, web: WebClient) -> ThreadCache:
    """Return the thread cache."""
    return ThreadCache(redis, web, BOT_IDENTITY)


def make_message(number: int, text: str, author: str = ADA) -> Message:
    """Return a person's message."""
    return Message(ts=message_ts(number), kind=AuthorKind.PERSON, author=author, text=text)


def put_messages(cache: ThreadCache, first: int, last: int, length: int) -> None:
    """Deliver the events of new messages with texts of `length` characters."""
    for number in range(first, last):
        cache.put_message(THREAD, make_message(number, "x" * length), message_ts(number))


def count_bytes(redis: Redis, key: str) -> int:
    """Return the bytes of a copy's entries."""
    fields = redis.hgetall(key)
    return sum(len(value) for ts, value in fields.items() if ts[:1].isdigit())


def test_copy_keeps_root_and_newest_messages(cache: ThreadCache, redis: Redis) -> None:
    """A thread of any length takes a bounded number of bytes, and knows what it dropped."""
    seed_thread(redis, THREAD, make_message(1, "root"))
    put_messages(cache, 2, 402, 2000)

    found = cache.get_messages(THREAD)
    assert found is not None
    assert count_bytes(redis, COPY) <= MAX_COPY_BYTES
    assert int(redis.hget(COPY, "bytes") or 0) == count_bytes(redis, COPY)
    assert (found[0].ts, found[-1].ts) == (ROOT, message_ts(401))
    assert len(found) > 80
    assert cache.is_trimmed(THREAD, message_ts(2))
    assert not cache.is_trimmed(THREAD, ROOT)
    assert not cache.is_trimmed(THREAD, found[1].ts)


def test_late_edit_of_dropped_message_is_not_cached(cache: ThreadCache, redis: Redis) -> None:
    """An edit of a message that has no room would leave a gap behind it."""
    seed_thread(redis, THREAD, make_message(1, "root"))
    put_messages(cache, 2, 402, 2000)
    cache.put_message(THREAD, make_message(2, "edited"), message_ts(500))

    assert not redis.hexists(COPY, message_ts(2))


def test_long_thread_is_read_into_a_bounded_copy(
    cache: ThreadCache, redis: Redis, workspace: Workspace
) -> None:
    """A thread that Slack returns whole is cached with its newest messages."""
    root = workspace.post_message(LIN, GENERAL, "root")
    for _ in range(80):
        last = workspace.post_message(ADA, GENERAL, "y" * 3900, root)
    thread = Thread(team=TEAM, channel=GENERAL, ts=root)

    found = cache.load_messages(thread)
    assert found is not None
    assert (found[0].ts, found[-1].ts) == (root, last)
    assert 0 < count_bytes(redis, keys.thread_cache(TEAM, GENERAL, root)) <= MAX_COPY_BYTES
    assert len(found) < 80


def test_all_copies_of_a_team_are_bounded(
    cache: ThreadCache, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads that changed longest ago are dropped first; the changed one stays."""
    monkeypatch.setattr("bot.store.thread_cache.MAX_BYTES", (MAX_COPY_BYTES, 10_000))
    threads = [Thread(team=TEAM, channel=GENERAL, ts=message_ts(n)) for n in range(1, 9)]
    for number, thread in enumerate(threads, 1):
        seed_thread(redis, thread, make_message(number, "x" * 3000))
        copy = keys.thread_cache(TEAM, GENERAL, thread.ts)
        redis.zadd(keys.text_index(TEAM), {copy: redis.time()[0] - 100 + number})

    kept = [thread for thread in threads if cache.get_messages(thread) is not None]
    assert kept == threads[-3:]
    assert int(redis.hget(keys.text_sizes(TEAM), "total") or 0) <= 10_000


def test_people_are_counted_without_their_text(
    cache: ThreadCache, redis: Redis, workspace: Workspace
) -> None:
    """A message that is no question leaves ids in Redis, and no text of its thread."""
    root = workspace.post_message(LIN, GENERAL, "orchid-canary")
    workspace.post_message(ADA, GENERAL, "orchid-canary", root)
    thread = Thread(team=TEAM, channel=GENERAL, ts=root)
    start = len(workspace.api_calls())

    assert cache.count_people(thread) == 2
    assert cache.count_people(thread) == 2
    assert len(workspace.api_calls(start, "conversations.replies")) == 1
    assert not redis.exists(keys.thread_cache(TEAM, GENERAL, root))


def test_new_person_is_counted_by_their_message(cache: ThreadCache, redis: Redis) -> None:
    """A second person ends the bot's follow-ups, also after the copy has expired."""
    seed_thread(redis, THREAD, make_message(1, "root"))
    redis.delete(COPY)
    assert cache.count_people(THREAD) == 1
    cache.put_message(THREAD, make_message(2, "hello", LIN), message_ts(2))

    assert cache.count_people(THREAD) == 2
    assert not redis.exists(COPY)


def test_copy_that_is_forgotten_during_its_read_stays_forgotten(
    cache: ThreadCache, redis: Redis, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that arrive after `forget` answer the question, and are not stored."""
    root = workspace.post_message(ADA, GENERAL, "orchid-canary")
    thread = Thread(team=TEAM, channel=GENERAL, ts=root)
    read_newest = cache.read_newest

    def forget_after_read(thread: Thread) -> object:
        pages = read_newest(thread)
        Purge(redis).drop_thread(thread)
        return pages

    monkeypatch.setattr(cache, "read_newest", forget_after_read)
    found = cache.load_messages(thread)

    assert [message.text for message in found or ()] == ["orchid-canary"]
    assert not redis.exists(keys.thread_cache(TEAM, GENERAL, root))
