"""Redis data loss: questions are found again in Slack and answered once."""

from collections.abc import Iterator

import pytest
from redis import Redis

from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, STARCHAT, Workspace

CONNECTED = keys.connection_window(TEAM)


@pytest.fixture(autouse=True)
def running_bot(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> Iterator[tuple[Process, str]]:
    """Run a bot that is installed after a first mention."""
    early = workspace.post_raw(GENERAL, f"<@{STARCHAT}> too early")
    poll_until(lambda: all(e["failure"] for e in workspace.delivery_attempts(early)) or None)
    workspace.wait_for_next_second()
    with Process("bot", REDIS_URL=server.url, **workspace.environment) as bot:
        bot.wait_for_event("connected")
        poll_until(lambda: redis.hget(CONNECTED, "last"), description="the first heartbeat")
        yield bot, early


def ask_question(
    workspace: Workspace, redis: Redis, text: str, thread: str | None = None, **more: bool
) -> str:
    """Ask and wait until the question is taken in."""
    before = len(pending_job_ids(redis))
    ts = workspace.post_message(ADA, GENERAL, f"@StarChat {text}", thread, **more)
    poll_until(lambda: len(pending_job_ids(redis)) > before, description="the job")
    poll_until(lambda: all(e["acked_at"] for e in workspace.delivery_attempts(ts)))
    return ts


def post_reply(workspace: Workspace, thread: str, question: str, state: str) -> str:
    """Post a message as a worker."""
    said = {"job": job_id(TEAM, GENERAL, question), "part": 1, "question": question}
    return workspace.post_raw(
        GENERAL,
        "a reply",
        user=STARCHAT,
        thread_ts=thread,
        metadata={
            "event_type": keys.METADATA_EVENT_TYPE,
            "event_payload": {**said, "state": state},
        },
    )


def test_lost_jobs_are_reconciled_with_slack(
    running_bot: tuple[Process, str], workspace: Workspace, redis: Redis
) -> None:
    """
    Complete replies stay, partial ones are deleted, and unanswered questions are enqueued.

    One of the answered questions was sent to the channel too.
    """
    bot, early = running_bot
    answered = ask_question(workspace, redis, "what is a mutex?")
    final = post_reply(workspace, answered, answered, "final")
    second = ask_question(workspace, redis, "and a lock?", answered)
    sent = ask_question(workspace, redis, "and in Go?", answered, broadcast=True)
    begun = ask_question(workspace, redis, "reverse a list")
    growing = post_reply(workspace, begun, begun, "growing")
    own = {final, *(post_reply(workspace, answered, ts, "pointer") for ts in (second, sent))}
    waiting = ask_question(workspace, redis, "say hello")
    helped = workspace.post_message(ADA, GENERAL, "@StarChat help")
    workspace.wait_for_messages(lambda messages: len(messages) == 2, GENERAL, helped)
    told = [message["ts"] for message in workspace.read_messages(GENERAL, helped)]
    beside = workspace.post_message(LIN, GENERAL, "nice weather")
    redis.flushall()
    bot.wait_for_event("redis data lost")
    bot.wait_for_event("backfill finished")

    jobs = [job_id(TEAM, GENERAL, ts) for ts in (begun, waiting)]
    assert sorted(pending_job_ids(redis)) == sorted(jobs)
    there = {m["ts"] for ts in (answered, begun) for m in workspace.read_messages(GENERAL, ts)}
    assert there & {*own, growing} == own
    assert [message["ts"] for message in workspace.read_messages(GENERAL, helped)] == told
    assert redis.get(keys.idempotency_key(TEAM, GENERAL, answered)) is not None
    assert not any(redis.exists(keys.idempotency_key(TEAM, GENERAL, ts)) for ts in (early, beside))
    poll_until(lambda: redis.hget(CONNECTED, "last"), description="the next note")


@pytest.mark.slow
def test_question_after_data_loss_is_enqueued_once(
    running_bot: tuple[Process, str], workspace: Workspace, redis: Redis
) -> None:
    """A question after the data loss is handled as usual, and its reply stays."""
    bot, _ = running_bot
    redis.flushall()
    ts = ask_question(workspace, redis, "what is a mutex?")
    shown = post_reply(workspace, ts, ts, "placeholder")
    bot.wait_for_event("redis data lost")
    bot.wait_for_event("backfill finished")

    assert pending_job_ids(redis) == [job_id(TEAM, GENERAL, ts)]
    assert shown in {m["ts"] for m in workspace.read_messages(GENERAL, ts)}


def test_question_in_answered_thread_repeats_no_answer(
    running_bot: tuple[Process, str], workspace: Workspace, redis: Redis
) -> None:
    """A follow-up during the backfill does not repeat the thread's earlier answer."""
    bot, _ = running_bot
    answered = ask_question(workspace, redis, "what is a mutex?")
    final = post_reply(workspace, answered, answered, "final")
    unseen = ask_question(workspace, redis, "and in Rust?", answered)
    workspace.set_faults({"method": "users.conversations", "fault": "slow", "seconds": 2})
    redis.flushall()
    bot.wait_for_event("redis data lost")
    ts = workspace.post_message(ADA, GENERAL, "@StarChat and in Go?", answered)
    poll_until(lambda: job_id(TEAM, GENERAL, ts) in pending_job_ids(redis), description="the job")
    workspace.set_faults()
    bot.wait_for_event("backfill finished")

    asked = [job_id(TEAM, GENERAL, one).encode() for one in (unseen, ts)]
    assert redis.lrange(keys.thread_queue(TEAM, GENERAL, answered), 0, -1) == asked
    assert final in {m["ts"] for m in workspace.read_messages(GENERAL, answered)}
