"""Order of a thread: questions are answered as asked, in any order of their deliveries."""

from redis import Redis

from contract.job import QUEUE_NAME, job_id
from testing.queue_inspector import find_job, finish_job, runnable_job_ids
from testing.slack_events import BOT_IDENTITY, CHANNEL, MENTION, make_body, make_message, message_ts
from tests.bot.slack.signed_requests import BotPort


def deliver(port: BotPort, number: int, text: str) -> str:
    """Deliver a mention in the thread of message 1; return its job's id."""
    body = make_body(make_message(number, f"{MENTION} {text}", thread_ts=message_ts(1)))
    assert port.send_signed(body)[0] == 200
    return job_id(BOT_IDENTITY.team, CHANNEL, message_ts(number))


def deliver_root(port: BotPort, redis: Redis) -> None:
    """Deliver the root of the thread, whose question is answered at once."""
    assert port.send_signed(make_body(make_message(1, f"{MENTION} hello")))[0] == 200
    assert find_job(redis, CHANNEL, message_ts(1)) is not None
    root = job_id(BOT_IDENTITY.team, CHANNEL, message_ts(1))
    redis.lrem(f"rq:queue:{QUEUE_NAME}", 0, root)
    finish_job(redis, root)


def read_turns(redis: Redis, number: int) -> list[str]:
    """Return the texts of a question's turns."""
    job = find_job(redis, CHANNEL, message_ts(number))
    assert job is not None
    return [turn.text for turn in job.turns]


def test_older_question_goes_first(port: BotPort, redis: Redis) -> None:
    """A question that arrives after a younger one runs before it, and is among its turns."""
    deliver_root(port, redis)
    younger = deliver(port, 3, "and then?")
    older = deliver(port, 2, "what is a mutex?")

    assert read_turns(redis, 2) == ["hello", "what is a mutex?"]
    assert read_turns(redis, 3) == ["hello", "what is a mutex?", "and then?"]
    assert runnable_job_ids(redis) == [older]
    assert redis.hget(f"rq:job:{younger}", "status") == b"deferred"


def test_late_question_goes_before_those_that_wait(port: BotPort, redis: Redis) -> None:
    """A redelivered question runs before a younger one that is read but has not begun."""
    deliver_root(port, redis)
    younger = deliver(port, 3, "and then?")
    assert read_turns(redis, 3) == ["hello", "and then?"]
    assert runnable_job_ids(redis) == [younger]
    older = deliver(port, 2, "what is a mutex?")

    assert read_turns(redis, 2) == ["hello", "what is a mutex?"]
    assert read_turns(redis, 3) == ["hello", "what is a mutex?", "and then?"]
    assert runnable_job_ids(redis) == [older]
