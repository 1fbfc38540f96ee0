"""The bot reads a thread from Slack once, and events keep its copy true."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.messages.message import Kind, Message
from bot.slack.errors import SLACK_AWAY
from bot.store.thread_cache import Threads
from contract import keys
from contract.job import Thread
from testing.slack_events import BOT_IDENTITY, make_message, message_ts
from testing.workspace import ADA, GENERAL, LIN, Workspace

LATER = "9999999999.000100"


@pytest.fixture
def threads(redis: Redis, web: WebClient) -> Threads:
    """Return the copies of threads, read two messages at a time."""
    return Threads(redis, web, BOT_IDENTITY, page=2)


def thread_of(root: str) -> Thread:
    """Return a thread of the general channel."""
    return Thread(team=BOT_IDENTITY.team, channel=GENERAL, ts=root)


def talk(workspace: Workspace, *texts: str) -> Thread:
    """Let Ada write a thread and return it."""
    root, *replies = texts
    first = workspace.post_message(ADA, GENERAL, root)
    for text in replies:
        workspace.post_message(ADA, GENERAL, text, first)
    return thread_of(first)


def texts(messages: tuple[Message, ...] | None) -> list[str]:
    """Return what the messages say."""
    return [found.text for found in messages or ()]


def said(number: int, text: str) -> Message:
    """Return a message as the copy holds it."""
    found = Message.read(make_message(number, text), BOT_IDENTITY)
    assert found is not None
    return found


def begin(threads: Threads, redis: Redis, thread: Thread) -> None:
    """Start the copy of a thread whose root says "a"."""
    with redis.pipeline() as pipe:
        threads.begin(thread, said(1, "a"), pipe)
        pipe.execute()


def test_all_pages_of_a_thread_are_read_once(threads: Threads, workspace: Workspace) -> None:
    """A long thread is read to its end, and not again for the next question."""
    thread = talk(workspace, *"abcdefg")
    start = len(workspace.api_calls())

    assert texts(threads.read(thread)) == list("abcdefg")
    pages = len(workspace.api_calls(start))
    assert pages > 2
    assert texts(threads.read(thread)) == list("abcdefg")
    assert len(workspace.api_calls(start)) == pages


def test_our_own_replies_are_read_with_their_questions(
    threads: Threads, workspace: Workspace, web: WebClient
) -> None:
    """What we said before is recovered from Slack, the notices beside it are not."""
    thread = talk(workspace, "a")
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
    found = threads.read(thread)

    assert texts(found) == ["a", "Yes."]
    assert found is not None
    assert (found[1].kind, found[1].answers) == (Kind.REPLY, thread.ts)


def test_a_page_that_names_itself_as_the_next_one_is_the_last(
    threads: Threads, workspace: Workspace
) -> None:
    """A thread without an end is read to where it brings nothing new, and not twenty pages far."""
    thread = talk(workspace, *"abcde")
    workspace.set_faults({"method": "conversations.replies", "fault": "endless"})
    start = len(workspace.api_calls())

    assert texts(threads.read(thread)) == list("abcde")
    assert len(workspace.api_calls(start)) <= 5
    workspace.set_faults()


def test_an_edit_may_come_before_anything_is_known_of_its_thread(
    threads: Threads, workspace: Workspace, redis: Redis
) -> None:
    """It is kept for what comes later, and does not pass for the whole thread."""
    thread = talk(workspace, "a", "b")
    threads.keep(thread, said(1, "unheard"), message_ts(1))
    assert threads.newest(thread, message_ts(1)) is None
    edited = said(1, "edited").model_copy(update={"ts": thread.ts})
    threads.keep(thread, edited, LATER, early=True)

    assert threads.newest(thread, thread.ts) == edited
    assert threads.known(thread) is None
    assert 0 < redis.ttl(keys.thread_cache(thread.team, thread.channel, thread.ts)) <= 600
    assert texts(threads.read(thread)) == ["edited", "b"]


def test_events_are_entered_into_a_copy(threads: Threads, workspace: Workspace) -> None:
    """New and edited messages reach the copy without another call."""
    thread = talk(workspace, "a", "b")
    before = threads.read(thread)
    assert before is not None
    start = len(workspace.api_calls())
    threads.keep(thread, before[1].model_copy(update={"text": "edited"}), LATER)
    threads.keep(thread, Message(ts=LATER, kind=Kind.PERSON, author=LIN, text="new"), LATER)

    assert texts(threads.read(thread)) == ["a", "edited", "new"]
    assert not workspace.api_calls(start)


def test_an_older_event_changes_nothing(threads: Threads, redis: Redis) -> None:
    """Of two edits that arrive in the wrong order the later one stands."""
    thread = thread_of(message_ts(1))
    begin(threads, redis, thread)
    threads.keep(thread, said(1, "second edit"), message_ts(9))
    threads.keep(thread, said(1, "first edit"), message_ts(8))

    assert texts(threads.read(thread)) == ["second edit"]


def test_a_deleted_message_stays_deleted(threads: Threads, redis: Redis) -> None:
    """A deletion is final, whatever arrives late, and takes the worker's answer with it."""
    thread = thread_of(message_ts(1))
    begin(threads, redis, thread)
    threads.keep(thread, said(2, "secret"), message_ts(2))
    memory = keys.answer_cache(thread.team, thread.channel, thread.ts)
    redis.hset(memory, mapping={message_ts(2): "about the secret", message_ts(1): "about a"})
    threads.drop(thread, message_ts(2), message_ts(9))
    threads.keep(thread, said(2, "secret"), message_ts(3))

    assert texts(threads.read(thread)) == ["a"]
    assert redis.hkeys(memory) == [message_ts(1).encode()]
    assert b"secret" not in b"".join(
        redis.hvals(keys.thread_cache(thread.team, GENERAL, message_ts(1)))
    )  # type: ignore[arg-type]


def test_nothing_is_kept_of_threads_we_take_no_part_in(threads: Threads, redis: Redis) -> None:
    """Messages of a thread that the bot has no copy of are not stored."""
    threads.keep(thread_of(message_ts(1)), said(1, "private"), message_ts(1))
    threads.drop(thread_of(message_ts(1)), message_ts(1), message_ts(2))

    assert redis.keys("*") == [keys.REDIS_SENTINEL.encode()]


def test_what_happens_while_the_pages_are_read_is_not_lost(
    threads: Threads, workspace: Workspace
) -> None:
    """An edit that arrives between two pages is stronger than what the pages say."""
    thread = talk(workspace, "a", "b", "c")
    seen = workspace.read_messages(GENERAL, thread.ts)
    workspace.set_faults({"fault": "slow_after", "method": "conversations.replies", "seconds": 0.5})
    before = len(workspace.api_calls())
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(threads.read, thread)
        workspace.wait_until(
            lambda: workspace.api_calls(method="conversations.replies", since=before) or None
        )
        for part in seen[1:]:
            found = Message.read(part, BOT_IDENTITY)
            assert found is not None
            threads.keep(thread, found.model_copy(update={"text": "edited"}), LATER)
        messages = reading.result()
    workspace.set_faults()

    assert texts(messages) == ["a", "edited", "edited"]


def test_the_twin_of_a_mention_does_not_read_again(threads: Threads, workspace: Workspace) -> None:
    """Two deliveries of one mention at the same time read the thread once."""
    thread = talk(workspace, "a", "b")
    start = len(workspace.api_calls())
    together = threading.Barrier(2)

    def read() -> list[str]:
        together.wait()
        return texts(threads.read(thread))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(read), pool.submit(read)

    assert first.result() == second.result() == ["a", "b"]
    assert len(workspace.api_calls(start, "conversations.replies")) == 1


@pytest.mark.parametrize(
    "error", ["missing_scope", "not_in_channel", "thread_not_found", "ekm_access_denied"]
)
def test_a_thread_that_may_not_be_read_is_none(
    threads: Threads, workspace: Workspace, redis: Redis, error: str
) -> None:
    """Without the permission to read, the question alone has to do, and nothing is left behind."""
    thread = talk(workspace, "a", "b")
    workspace.set_faults({"fault": "error", "method": "conversations.replies", "error": error})

    assert threads.read(thread) is None
    assert redis.keys("*") == [keys.REDIS_SENTINEL.encode()]
    workspace.set_faults()
    assert texts(threads.read(thread)) == ["a", "b"]


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
def test_a_thread_that_cannot_be_read_now_is_an_error(
    threads: Threads, workspace: Workspace, fault: dict[str, str]
) -> None:
    """When Slack is busy or broken, the mention is not acknowledged and comes again."""
    thread = talk(workspace, "a", "b")
    workspace.set_faults({"method": "conversations.replies", **fault})
    with pytest.raises(SLACK_AWAY):
        threads.read(thread)
    workspace.set_faults()

    assert texts(threads.read(thread)) == ["a", "b"]


def test_a_copy_lives_as_long_as_the_thread_is_used(threads: Threads, redis: Redis) -> None:
    """A copy leaves Redis by itself a day after the last question."""
    thread = thread_of(message_ts(1))
    begin(threads, redis, thread)
    key = keys.thread_cache(thread.team, GENERAL, message_ts(1))
    redis.expire(key, 60)
    with redis.pipeline() as pipe:
        threads.touch(thread, pipe)
        pipe.execute()

    assert keys.TEXT_TTL_SECONDS - 5 < redis.ttl(key) <= keys.TEXT_TTL_SECONDS


def test_an_entry_of_another_version_is_left_out(threads: Threads, redis: Redis) -> None:
    """What an older or newer bot has written does not stop this one."""
    thread = thread_of(message_ts(1))
    begin(threads, redis, thread)
    redis.hset(keys.thread_cache(thread.team, GENERAL, message_ts(1)), message_ts(2), "0 not json")

    assert texts(threads.read(thread)) == ["a"]
