"""Answer cache: cached answers replace Slack's versions, next to their questions."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from slack_sdk import WebClient

from bot.messages.message import AuthorKind, Message
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.answers import Answer
from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from testing.queue_inspector import make_job
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, message_ts
from testing.thread_copies import seed_thread
from worker.answering.answer_cache import (
    MAX_ANSWER_BYTES_PER_THREAD,
    MAX_ANSWERS_PER_THREAD,
    AnswerCache,
    merge_answers,
)
from worker.jobs.leases import JOB_PREFIX


def user_turn(ts: str) -> Turn:
    """Return a user's turn."""
    return Turn(speaker=Speaker.USER, text=f"question {ts}", ts=ts, name="Ada")


def assistant_turn(ts: str, question_ts: str, text: str = "from Slack") -> Turn:
    """Return an answer as Slack shows it."""
    return Turn(speaker=Speaker.ASSISTANT, text=text, ts=ts, in_reply_to=question_ts)


def test_late_answer_is_ordered_before_its_follow_up() -> None:
    """A follow-up accepted during generation is read after that answer."""
    turns = (user_turn("1.0"), user_turn("2.0"))
    conversation = merge_answers(turns, {"1.0": "one"}, until="2.0")
    assert [turn.text for turn in conversation] == ["question 1.0", "one", "question 2.0"]


def test_cached_answer_replaces_slacks_rendering() -> None:
    """The model reads its exact text, not the rendered message."""
    turns = (user_turn("1.0"), assistant_turn("1.5", "1.0"), user_turn("2.0"))
    conversation = merge_answers(turns, {"1.0": "one"}, until="2.0")
    assert [turn.text for turn in conversation] == ["question 1.0", "one", "question 2.0"]


def test_answer_without_question_is_dropped() -> None:
    """A deleted question removes its answer from the conversation."""
    conversation = merge_answers(
        (user_turn("2.0"),), {"1.0": "one", "2.0": "own", "3.0": "later"}, until="2.0"
    )
    assert [turn.text for turn in conversation] == ["question 2.0"]


TIMESTAMPS = st.integers(1, 9).map(lambda second: f"{second}.000000")


@given(st.sets(TIMESTAMPS, min_size=1), st.dictionaries(TIMESTAMPS, st.text()), st.sets(TIMESTAMPS))
def test_conversation_keeps_every_user_turn_in_order(
    times: set[str], answers: dict[str, str], shown: set[str]
) -> None:
    """Every user turn stays; each question has at most one answer, right after it."""
    until = max(times)
    turns = [user_turn(ts) for ts in times]
    turns += [assistant_turn(ts.replace(".0", ".5"), ts) for ts in shown & times if ts != until]
    conversation = merge_answers(tuple(turns), answers, until=until)

    assert conversation[-1] == user_turn(until)
    assert [turn.ts for turn in conversation if turn.speaker is Speaker.USER] == sorted(times)
    for before, turn in pairwise(conversation):
        if turn.speaker is Speaker.ASSISTANT:
            assert before.ts == turn.in_reply_to
            assert turn.text == answers.get(str(turn.in_reply_to), "from Slack")


async def store_text(redis: Redis, job: Job, text: str) -> None:
    """Store an answer to a job that a worker runs."""
    await redis.hset(JOB_PREFIX + job.id, "status", "started")
    await AnswerCache(redis).store_answer(job, Answer(text=text))


async def test_answers_expire_a_day_after_the_first(client: object, loop_client: Redis) -> None:
    """A later answer does not renew the TTL, so that no answer stays for longer than a day."""
    key = keys.answer_cache("T1", "C1", "1.000000")
    await store_text(loop_client, make_job(1000, thread=1), "first")
    await loop_client.expire(key, 60)
    await store_text(loop_client, make_job(1001, thread=1), "second")

    assert 0 < await loop_client.ttl(key) <= 60
    assert await loop_client.hlen(key) == 2


async def test_long_answers_are_bounded_in_bytes(client: object, loop_client: Redis) -> None:
    """Of answers that exceed the thread's bytes, the newest stay."""
    for number in (1000, 1001, 1002):
        text = "x" * (MAX_ANSWER_BYTES_PER_THREAD // 2 - 100)
        await store_text(loop_client, make_job(number, thread=1), text)

    stored = await loop_client.hkeys(keys.answer_cache("T1", "C1", "1.000000"))
    assert sorted(stored) == ["1001.000000", "1002.000000"]


async def test_answer_of_deleted_job_is_not_stored(client: object, loop_client: Redis) -> None:
    """A job that ends after its team was purged leaves no text."""
    await AnswerCache(loop_client).store_answer(make_job(1), Answer(text="late"))

    assert await loop_client.keys("starchat:*") == []


async def test_cache_keeps_newest_answers_of_each_thread(
    client: object, loop_client: Redis
) -> None:
    """The cache is bounded, expires, and separates threads and workspaces."""
    cache = AnswerCache(loop_client)
    for number in range(MAX_ANSWERS_PER_THREAD + 5):
        await store_text(loop_client, make_job(1000 + number, thread=1), f"answer {number}")
    key = keys.answer_cache("T1", "C1", "1.000000")
    assert await loop_client.hlen(key) == MAX_ANSWERS_PER_THREAD
    assert 0 < await loop_client.ttl(key) <= keys.TEXT_TTL_SECONDS

    turns = (user_turn("1063.000000"), user_turn("1064.000000"), user_turn("1068.000000"))
    thread = Thread(team="T1", channel="C1", ts="1.000000")
    job = Job(thread=thread, ts="1068.000000", user="U1", user_team="T1", turns=turns)
    texts = [turn.text for turn in (await cache.recall_conversation(job)).turns]
    assert texts[:4] == [
        "question 1063.000000",
        "answer 63",
        "question 1064.000000",
        "answer 64",
    ]
    other = job.model_copy(update={"thread": Thread(team="T2", channel="C1", ts="1.000000")})
    assert await cache.recall_conversation(other) == (turns, {})


async def test_messages_deleted_while_queued_are_not_recalled(
    client: SyncRedis, loop_client: Redis
) -> None:
    """The thread cache marks deletions: a message, its answer, a withdrawn reply."""
    place = Thread(team=BOT_IDENTITY.team, channel=CHANNEL, ts=message_ts(1))
    threads = ThreadCache(client, WebClient(), BOT_IDENTITY)
    root = Message(ts=message_ts(1), kind=AuthorKind.PERSON, author=ADA, text="question")
    seed_thread(client, place, root)
    for number in (2, 5):
        threads.tombstone_message(place, message_ts(number), message_ts(9))
    turns = (
        *(
            user_turn(message_ts(1)),
            user_turn(message_ts(2)),
            assistant_turn(message_ts(3), message_ts(2)),
            user_turn(message_ts(4)),
            assistant_turn(message_ts(5), message_ts(4)),
        ),
        user_turn(message_ts(6)),
    )
    job = Job(thread=place, ts=message_ts(6), user=ADA, user_team=BOT_IDENTITY.team, turns=turns)
    conversation, _ = await AnswerCache(loop_client).recall_conversation(job)

    assert [turn.ts for turn in conversation] == [message_ts(1), message_ts(4), message_ts(6)]
    threads.tombstone_message(place, message_ts(6), message_ts(9))
    assert (await AnswerCache(loop_client).recall_conversation(job)).turns[-1].ts == message_ts(6)


async def test_answer_is_recalled_with_its_token_ids(client: object, loop_client: Redis) -> None:
    """Unreadable entries of another version are ignored."""
    cache = AnswerCache(loop_client)
    root = make_job(1000, thread=1)
    await loop_client.hset(JOB_PREFIX + root.id, "status", "started")
    await cache.store_answer(root, Answer(text="one", token_ids=(5, 7)))
    key = keys.answer_cache("T1", "C1", "1.000000")
    await loop_client.hset(key, "1001.000000", "an old answer")
    await loop_client.hset(key, "1002.000000", '{"text": "x", "token_ids": [-1]}')
    turns = tuple(user_turn(f"{second}.000000") for second in (1000, 1001, 1002, 1003))
    thread = Thread(team="T1", channel="C1", ts="1.000000")
    job = Job(thread=thread, ts="1003.000000", user="U1", user_team="T1", turns=turns)

    conversation = await cache.recall_conversation(job)

    assert conversation.token_ids == {"one": (5, 7)}
    assert [turn.text for turn in conversation.turns if turn.speaker is Speaker.ASSISTANT] == [
        "one"
    ]
