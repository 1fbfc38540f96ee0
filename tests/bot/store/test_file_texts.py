"""File texts: they leave Redis with their message, their file, their thread and their team."""

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.messages.message import Message
from bot.store.client import decode_reply
from bot.store.file_texts import FileTexts
from bot.store.purge import Purge
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.job import Thread
from testing.slack_events import BOT_IDENTITY, CHANNEL, make_message, message_ts

TEAM = BOT_IDENTITY.team
THREAD = Thread(team=TEAM, channel=CHANNEL, ts=message_ts(1))
OTHER = Thread(team=TEAM, channel=CHANNEL, ts=message_ts(9))


def store_files(redis: Redis, thread: Thread, *shares: tuple[str, int]) -> str:
    """Store texts of files as the worker does; return the key of the thread's cache."""
    key = keys.file_cache(thread.team, thread.channel, thread.ts)
    for file_id, number in shares:
        redis.hset(key, keys.file_field(file_id, message_ts(number)), '{"text": "x"}')
    redis.zadd(keys.text_index(TEAM), {key: 1.0})
    redis.hset(keys.text_sizes(TEAM), mapping={key: 13, "total": 26})
    return key


def list_files(redis: Redis, key: str) -> set[str]:
    """Return the ids of the files in a cache."""
    return {decode_reply(field).partition(":")[0] for field in redis.hkeys(key)}


def test_files_of_a_deleted_message_are_dropped(redis: Redis, web: WebClient) -> None:
    """Those of other messages stay, also of messages whose time begins alike."""
    key = store_files(redis, THREAD, ("F1", 1), ("F2", 2), ("F3", 2))
    ThreadCache(redis, web, BOT_IDENTITY).tombstone_message(THREAD, message_ts(2), message_ts(3))

    assert list_files(redis, key) == {"F1"}


def test_edit_drops_the_files_that_it_removed(redis: Redis, web: WebClient) -> None:
    """Slack shows a deleted file of a message as a tombstone, which is an edit."""
    key = store_files(redis, THREAD, ("F1", 1), ("F2", 2), ("F3", 2))
    files = [{"id": "F2", "mode": "tombstone"}, {"id": "F3", "name": "a.py"}]
    message = Message.from_slack(make_message(2, "look", files=files), BOT_IDENTITY)
    assert message is not None
    ThreadCache(redis, web, BOT_IDENTITY).drop_removed_files(THREAD, message)

    assert list_files(redis, key) == {"F1", "F3"}


def test_deleted_file_is_dropped_in_all_threads(redis: Redis) -> None:
    """Its cache leaves the index with its last text."""
    key = store_files(redis, THREAD, ("F1", 1), ("F2", 2))
    other = store_files(redis, OTHER, ("F1", 9))

    assert Purge(redis).drop_file(TEAM, "F1") == 2
    assert list_files(redis, key) == {"F2"}
    assert not redis.exists(other)
    assert redis.zrange(keys.text_index(TEAM), 0, -1) == [key.encode()]
    assert redis.hget(keys.text_sizes(TEAM), "total") == b"13"
    assert Purge(redis).drop_file("T0OTHER001", "F2") == 0


@pytest.mark.parametrize("value", ["string", "list"])
def test_key_of_another_type_is_set_aside(redis: Redis, value: str) -> None:
    """It holds up no deletion."""
    key = keys.file_cache(TEAM, CHANNEL, THREAD.ts)
    redis.set(key, "x") if value == "string" else redis.rpush(key, "x")
    FileTexts(redis).drop_message_files(THREAD, message_ts(2))

    assert not redis.exists(key)
