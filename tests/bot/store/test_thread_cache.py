"""Thread cache: a thread is read once, and events update its copy."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.messages.message import AuthorKind, Message
from bot.slack.client import CALL_ERRORS
from bot.store.thread_cache import ThreadCache
from bot.store.thread_modes import ThreadModes
from contract import keys
from contract.job import Thread
from testing.slack_events import BOT_IDENTITY, make_message, message_ts
from testing.thread_copies import seed_thread
from testing.workspace import ADA, GENERAL, LIN, Workspace

LATER = "9999999999.000100"


@pytest.fixture
def cache(redis: Redis, web: WebClient) -> ThreadCache:
    """Return the copies of cache, read two messages at a time."""
    return ThreadCache(redis, web, BOT_IDENTITY, page_size=2)


def make_thread(root: str) -> Thread:
    """Return a thread of the general channel."""
    return Thread(team=BOT_IDENTITY.team, channel=GENERAL, ts=root)


def post_thread(workspace: Workspace, *texts: str) -> Thread:
    """Let Ada write a thread and return it."""
    root, *replies = texts
    first = workspace.post_message(ADA, GENERAL, root)
    for text in replies:
        workspace.post_message(ADA, GENERAL, text, first)
    return make_thread(first)


def list_texts(messages: tuple[Message, ...] | None) -> list[str]:
    """Return the messages' texts."""
    return [found.text for found in messages or ()]


def parse_message(number: int, text: str) -> Message:
    """Return a message as the cache stores it."""
    found = Message.from_slack(make_message(number, text), BOT_IDENTITY)
    assert found is not None
    return found


def seed_copy(redis: Redis, thread: Thread) -> None:
    """Cache a thread whose root has the text "a"."""
    seed_thread(redis, thread, parse_message(1, "a"))


def test_thread_is_read_once_with_all_pages(cache: ThreadCache, workspace: Workspace) -> None:
    """A second read makes no call."""
    thread = post_thread(workspace, *"abcdefg")
    start = len(workspace.api_calls())

    assert list_texts(cache.load_messages(thread)) == list("abcdefg")
    pages = len(workspace.api_calls(start))
    assert pages > 2
    assert list_texts(cache.load_messages(thread)) == list("abcdefg")
    assert len(workspace.api_calls(start)) == pages


def test_own_replies_are_cached_with_questions(
    cache: ThreadCache, workspace: Workspace, web: WebClient
) -> None:
    """Replies are recovered from Slack, without notices."""
    thread = post_thread(workspace, "a")
    payload = {"job": "T-C-1", "part": 1, "question": thread.ts, "state": "final"}
    paragraph = {"type": "rich_text_section", "elements": [{"type": "text", "text": "Yes."}]}
    web.chat_postMessage(
        channel=GENERAL,
        thread_ts=thread.ts,
        text="Yes.",
        blocks=[{"type": "rich_text", "elements": [paragraph]}],
        metadata={"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload},
    )
    web.chat_postMessage(channel=GENERAL, thread_ts=thread.ts, text="a notice")
    found = cache.load_messages(thread)

    assert list_texts(found) == ["a", "Yes."]
    assert found is not None
    assert (found[1].kind, found[1].question_ts) == (AuthorKind.REPLY, thread.ts)


def test_repeated_cursor_ends_pagination(cache: ThreadCache, workspace: Workspace) -> None:
    """A page whose next cursor is its own ends the read."""
    thread = post_thread(workspace, *"abcde")
    workspace.set_faults({"method": "conversations.replies", "fault": "endless"})
    start = len(workspace.api_calls())

    assert list_texts(cache.load_messages(thread)) == list("abcde")
    assert len(workspace.api_calls(start)) <= 5
    workspace.set_faults()


def test_early_edit_creates_partial_copy(
    cache: ThreadCache, workspace: Workspace, redis: Redis
) -> None:
    """An edit before its message is cached, and the copy is not complete."""
    thread = post_thread(workspace, "a", "b")
    cache.put_message(thread, parse_message(1, "unheard"), message_ts(1))
    assert cache.get_latest(thread, message_ts(1)) is None
    edited = parse_message(1, "edited").model_copy(update={"ts": thread.ts})
    cache.put_message(thread, edited, LATER, may_precede_message=True)

    assert cache.get_latest(thread, thread.ts) == edited
    assert cache.get_messages(thread) is None
    assert 0 < redis.ttl(keys.thread_cache(thread.team, thread.channel, thread.ts)) <= 600
    assert list_texts(cache.load_messages(thread)) == ["edited", "b"]


def test_events_update_cached_thread(cache: ThreadCache, workspace: Workspace) -> None:
    """New and edited messages are cached without a call."""
    thread = post_thread(workspace, "a", "b")
    before = cache.load_messages(thread)
    assert before is not None
    start = len(workspace.api_calls())
    cache.put_message(thread, before[1].model_copy(update={"text": "edited"}), LATER)
    cache.put_message(
        thread, Message(ts=LATER, kind=AuthorKind.PERSON, author=LIN, text="new"), LATER
    )

    assert list_texts(cache.load_messages(thread)) == ["a", "edited", "new"]
    assert not workspace.api_calls(start)


def test_older_event_is_ignored(cache: ThreadCache, redis: Redis) -> None:
    """Of two edits out of order, the newer version stays."""
    thread = make_thread(message_ts(1))
    seed_copy(redis, thread)
    cache.put_message(thread, parse_message(1, "second edit"), message_ts(9))
    cache.put_message(thread, parse_message(1, "first edit"), message_ts(8))

    assert list_texts(cache.load_messages(thread)) == ["second edit"]


def test_tombstone_survives_late_events(cache: ThreadCache, redis: Redis) -> None:
    """A late event does not restore a deleted message, and its cached answer is deleted."""
    thread = make_thread(message_ts(1))
    seed_copy(redis, thread)
    cache.put_message(thread, parse_message(2, "secret"), message_ts(2))
    memory = keys.answer_cache(thread.team, thread.channel, thread.ts)
    redis.hset(memory, mapping={message_ts(2): "about the secret", message_ts(1): "about a"})
    cache.tombstone_message(thread, message_ts(2), message_ts(9))
    cache.put_message(thread, parse_message(2, "secret"), message_ts(3))

    assert list_texts(cache.load_messages(thread)) == ["a"]
    assert redis.hkeys(memory) == [message_ts(1).encode()]
    assert b"secret" not in b"".join(
        redis.hvals(keys.thread_cache(thread.team, GENERAL, message_ts(1)))  # type: ignore[arg-type]
    )


def test_messages_of_uncached_threads_are_not_stored(cache: ThreadCache, redis: Redis) -> None:
    """A message of a thread that is not cached is not stored."""
    cache.put_message(make_thread(message_ts(1)), parse_message(1, "private"), message_ts(1))
    cache.tombstone_message(make_thread(message_ts(1)), message_ts(1), message_ts(2))

    assert redis.keys("*") == [keys.REDIS_SENTINEL.encode()]


def test_event_during_page_read_wins(cache: ThreadCache, workspace: Workspace) -> None:
    """An edit that arrives between two pages overrides the pages."""
    thread = post_thread(workspace, "a", "b", "c")
    seen = workspace.read_messages(GENERAL, thread.ts)
    workspace.set_faults({"fault": "slow_after", "method": "conversations.replies", "seconds": 1})
    before = len(workspace.api_calls())
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(cache.load_messages, thread)
        workspace.wait_until(
            lambda: workspace.api_calls(method="conversations.replies", since=before) or None
        )
        for part in seen[1:]:
            found = Message.from_slack(part, BOT_IDENTITY)
            assert found is not None
            cache.put_message(thread, found.model_copy(update={"text": "edited"}), LATER)
        messages = reading.result()
    workspace.set_faults()

    assert list_texts(messages) == ["a", "edited", "edited"]


def test_concurrent_reads_fetch_thread_once(cache: ThreadCache, workspace: Workspace) -> None:
    """Two concurrent events of one mention read the thread once."""
    thread = post_thread(workspace, "a", "b")
    start = len(workspace.api_calls())
    together = threading.Barrier(2)

    def read() -> list[str]:
        together.wait()
        return list_texts(cache.load_messages(thread))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(read), pool.submit(read)

    assert first.result() == second.result() == ["a", "b"]
    assert len(workspace.api_calls(start, "conversations.replies")) == 1


@pytest.mark.parametrize("error", ["missing_scope", "not_in_channel", "ekm_access_denied"])
def test_unreadable_thread_is_none(
    cache: ThreadCache, workspace: Workspace, redis: Redis, error: str
) -> None:
    """Without permission the result is `None`, and nothing is cached."""
    thread = post_thread(workspace, "a", "b")
    workspace.set_faults({"fault": "error", "method": "conversations.replies", "error": error})

    assert cache.load_messages(thread) is None
    assert redis.keys("*") == [keys.REDIS_SENTINEL.encode()]
    workspace.set_faults()
    assert list_texts(cache.load_messages(thread)) == ["a", "b"]


def test_deleted_thread_is_empty(cache: ThreadCache, workspace: Workspace, redis: Redis) -> None:
    """Nothing is cached: Slack's history may not show a new thread yet."""
    thread = post_thread(workspace, "a")
    workspace.set_faults(
        {"fault": "error", "method": "conversations.replies", "error": "thread_not_found"}
    )

    assert cache.load_messages(thread) == ()
    assert cache.count_people(thread) is None
    assert redis.keys("*") == [keys.REDIS_SENTINEL.encode()]
    workspace.set_faults()
    assert list_texts(cache.load_messages(thread)) == ["a"]


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "ratelimited", "retry_after": 1},
        {"fault": "status", "status": 500},
        {"fault": "drop_before"},
        {"fault": "html"},
        {"fault": "truncated"},
        {"fault": "error", "error": "internal_error"},
    ],
)
def test_temporary_error_is_raised(
    cache: ThreadCache, workspace: Workspace, fault: dict[str, str]
) -> None:
    """A rate limit or a failure of Slack is raised."""
    thread = post_thread(workspace, "a", "b")
    workspace.set_faults({"method": "conversations.replies", **fault})
    with pytest.raises(CALL_ERRORS):
        cache.load_messages(thread)
    workspace.set_faults()

    assert list_texts(cache.load_messages(thread)) == ["a", "b"]


def test_copy_expires_a_day_after_it_was_read(cache: ThreadCache, redis: Redis) -> None:
    """Neither a later message nor a later question renews the TTL."""
    thread = make_thread(message_ts(1))
    seed_copy(redis, thread)
    key = keys.thread_cache(thread.team, GENERAL, message_ts(1))
    assert 0 < redis.ttl(key) <= keys.TEXT_TTL_SECONDS
    redis.expire(key, 60)
    cache.put_message(thread, parse_message(2, "b"), message_ts(2))
    seed_copy(redis, thread)
    ThreadModes(redis).join_thread(thread, message_ts(2))

    assert 0 < redis.ttl(key) <= 60


def test_entry_of_other_format_is_skipped(cache: ThreadCache, redis: Redis) -> None:
    """An entry that another version wrote is skipped."""
    thread = make_thread(message_ts(1))
    seed_copy(redis, thread)
    redis.hset(keys.thread_cache(thread.team, GENERAL, message_ts(1)), message_ts(2), "0 not json")

    assert list_texts(cache.load_messages(thread)) == ["a"]
