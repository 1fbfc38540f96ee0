"""Asked questions: where they are, until they are deleted, forgotten or a week old."""

import pytest
from redis import Redis

from bot.store.asked_questions import LISTED_SECONDS, AskedQuestions
from bot.store.client import read_clock
from bot.store.purge import Purge
from contract import keys
from contract.job import Thread
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, LIN

TEAM = BOT_IDENTITY.team
OTHER_CHANNEL = "C0PYTHON01"


def ask(redis: Redis, user: str, thread: Thread, ts: str) -> tuple[Thread, str]:
    """List a question as a worker does; return what the list says of it."""
    member = f"{thread.channel}:{thread.ts}:{ts}"
    redis.zadd(keys.user_questions(TEAM, user), {member: float(ts)})
    listed = keys.channel_questions(TEAM, thread.channel)
    redis.zadd(listed, {f"{thread.ts}:{ts}:{user}": float(ts)})
    return thread, ts


@pytest.fixture
def asked(redis: Redis) -> AskedQuestions:
    """The lists of the team."""
    return AskedQuestions(redis, TEAM)


def times_before_now(redis: Redis, count: int) -> list[str]:
    """Return Slack's times of the last seconds, the oldest first."""
    now = int(read_clock(redis))
    return [f"{now - count + number}.829667" for number in range(count)]


def test_newest_questions_come_first(asked: AskedQuestions, redis: Redis) -> None:
    """Each person has a list; a week is its end, and so is the wanted number."""
    first, second, third = times_before_now(redis, 3)
    thread = Thread(team=TEAM, channel=CHANNEL, ts=first)
    root, reply = ask(redis, ADA, thread, first), ask(redis, ADA, thread, second)
    others = ask(redis, LIN, thread, third)
    old = f"{int(read_clock(redis)) - LISTED_SECONDS - 60}.000100"
    ask(redis, ADA, Thread(team=TEAM, channel=CHANNEL, ts=old), old)

    assert asked.list_recent(ADA, 10) == [reply, root]
    assert asked.list_recent(ADA, 1) == [reply]
    assert asked.list_recent(LIN, 10) == [others]
    assert asked.list_recent("U9", 10) == []


def test_deleted_question_leaves_the_list_of_its_person(
    asked: AskedQuestions, redis: Redis
) -> None:
    """Only that one, although another has the same second."""
    [ts] = times_before_now(redis, 1)
    thread = Thread(team=TEAM, channel=CHANNEL, ts=ts)
    twin = f"{ts[:-1]}8"
    ask(redis, ADA, thread, ts)
    kept = ask(redis, LIN, thread, twin)
    Purge(redis).drop_question(thread, ts)

    assert asked.list_recent(ADA, 10) == []
    assert asked.list_recent(LIN, 10) == [kept]
    Purge(redis).drop_question(thread, "9.9")


def test_forgotten_threads_and_channels_leave_all_lists(
    asked: AskedQuestions, redis: Redis
) -> None:
    """Other threads and channels stay."""
    first, second, third = times_before_now(redis, 3)
    thread, other = (Thread(team=TEAM, channel=CHANNEL, ts=ts) for ts in (first, second))
    elsewhere = Thread(team=TEAM, channel=OTHER_CHANNEL, ts=third)
    ask(redis, ADA, thread, first)
    ask(redis, LIN, thread, third)
    in_other = ask(redis, ADA, other, second)
    kept = ask(redis, ADA, elsewhere, third)
    Purge(redis).drop_thread(thread)
    assert asked.list_recent(ADA, 10) == [kept, in_other]
    assert asked.list_recent(LIN, 10) == []

    Purge(redis).drop_channel(TEAM, CHANNEL)
    assert asked.list_recent(ADA, 10) == [kept]
    assert not redis.exists(keys.channel_questions(TEAM, CHANNEL))


def test_cleared_list_leaves_nothing_of_its_person(asked: AskedQuestions, redis: Redis) -> None:
    """In the channel's list neither; other people's questions stay."""
    first, second = times_before_now(redis, 2)
    thread = Thread(team=TEAM, channel=CHANNEL, ts=first)
    ask(redis, ADA, thread, first)
    kept = ask(redis, LIN, thread, second)
    asked.drop_user(ADA)

    assert asked.list_recent(ADA, 10) == []
    assert asked.list_recent(LIN, 10) == [kept]
    assert redis.zcard(keys.channel_questions(TEAM, CHANNEL)) == 1


@pytest.mark.parametrize("member", ["", "C1", "C1:x:y", "C1:1.1:2.2:3", "<!channel>:1.1:1.1"])
def test_malformed_entries_are_left_out(asked: AskedQuestions, redis: Redis, member: str) -> None:
    """A person with access to Redis cannot put text on the page."""
    now = read_clock(redis)
    redis.zadd(keys.user_questions(TEAM, ADA), {member: now})
    redis.zadd(keys.channel_questions(TEAM, CHANNEL), {member: now})

    assert asked.list_recent(ADA, 10) == []
    asked.drop_channel(CHANNEL)
    asked.drop_user(ADA)
