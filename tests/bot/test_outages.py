"""Unreachable Redis or Slack: no question is lost or repeated."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from bot import texts
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job, job_turns, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, Workspace

Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("bot")


@pytest.fixture(autouse=True)
def fast_redelivery(workspace: Workspace) -> Iterator[None]:
    """Speed Slack's redeliveries up, and remove faults after each test."""
    workspace.set_clock(speed=100, ack_seconds=0.8)
    yield
    workspace.set_faults()
    workspace.set_clock(speed=1, ack_seconds=3)


def list_attempts(workspace: Workspace, ts: str) -> list[tuple[int, bool]]:
    """Return which delivery of a message was acknowledged."""
    return sorted(
        (e["attempt"], e["acked_at"] is not None) for e in workspace.delivery_attempts(ts)
    )


def is_delivered_twice(workspace: Workspace, ts: str) -> bool:
    """Say whether both events of a mention are acknowledged."""
    return sum(acknowledged for _, acknowledged in list_attempts(workspace, ts)) == 2


def list_enqueued_messages(redis: Redis, *asked: str) -> list[str]:
    """
    Return which of these messages wait for an answer.

    An early delivery of another test's message may come to its end after that test.
    """
    jobs = {job_id(TEAM, GENERAL, ts): ts for ts in asked}
    return [jobs[job] for job in pending_job_ids(redis) if job in jobs]


def wait_until_not_posted(bot: Process, job: str) -> None:
    """Wait until the bot says that it did not post the placeholder of this job."""
    while bot.wait_for_event("placeholder not posted")["job"] != job:
        pass


def test_mention_without_redis_is_redelivered(
    workspace: Workspace, redis: Redis, server: RedisServer, bot: Process
) -> None:
    """Without Redis a mention has a status and no acknowledgement; Slack delivers it again."""
    server.kill_server()
    start = len(workspace.api_calls())
    ts = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
    bot.wait_for_event("not acknowledged")
    assert not any(acknowledged for _, acknowledged in list_attempts(workspace, ts))
    status = poll_until(
        lambda: workspace.api_calls(start, "assistant.threads.setStatus", thread=ts),
        description="the status",
    )
    assert status[0]["args"]["status"] == str(texts.WAITS_FOR_QUEUE)
    server.restart_server()
    poll_until(lambda: is_delivered_twice(workspace, ts), description="a later delivery")

    assert max(attempt for attempt, _ in list_attempts(workspace, ts)) > 0
    assert list_enqueued_messages(redis, ts) == [ts]
    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?")]


def test_restarted_redis_is_used_at_once(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Connections to the old server cost no delivery."""
    first = workspace.post_message(ADA, GENERAL, "@StarChat one")
    poll_until(lambda: is_delivered_twice(workspace, first))
    server.restart_server()
    second = workspace.post_message(ADA, GENERAL, "@StarChat two")
    poll_until(lambda: is_delivered_twice(workspace, second))

    assert list_attempts(workspace, second) == [(0, True), (0, True)]
    assert list_enqueued_messages(redis, first, second) == [first, second]


def test_rate_limited_thread_read_is_repeated(workspace: Workspace, redis: Redis) -> None:
    """The mention is acknowledged at its first delivery, and has the complete thread."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    fault = {"fault": "ratelimited", "retry_after": 1, "count": 1}
    workspace.set_faults({"method": "conversations.replies", **fault})
    ts = workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
    workspace.wait_for_acks(ts)

    assert job_turns(redis, GENERAL, ts) == [("Lin", "it fails"), ("Ada", "why?")]
    assert max(list_attempts(workspace, ts)) == (0, True)
    assert list_enqueued_messages(redis, ts) == [ts]


def test_last_read_enqueues_question_without_thread(workspace: Workspace, redis: Redis) -> None:
    """If the thread is unreadable to the end, the question alone is enqueued."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    workspace.set_faults({"method": "conversations.replies", "fault": "status", "status": 503})
    ts = workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
    workspace.wait_for_acks(ts)

    assert job_turns(redis, GENERAL, ts) == [(None, "why?")]


def test_question_without_read_scope_is_enqueued_at_once(
    workspace: Workspace, redis: Redis
) -> None:
    """Without the scope to read the thread, the question alone is enqueued."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    workspace.set_faults(
        {"method": "conversations.replies", "fault": "error", "error": "missing_scope"}
    )
    ts = workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
    poll_until(lambda: is_delivered_twice(workspace, ts))

    assert list_attempts(workspace, ts) == [(0, True), (0, True)]
    assert job_turns(redis, GENERAL, ts) == [(None, "why?")]


def test_question_deleted_before_delivery_is_not_enqueued(
    workspace: Workspace, redis: Redis, server: RedisServer, bot: Process
) -> None:
    """Slack delivers a question and its deletion late; no job results."""
    server.kill_server()
    ts = workspace.post_message(ADA, GENERAL, "@StarChat my secret")
    bot.wait_for_event("not acknowledged")
    server.restart_server()
    workspace.delete_message(ADA, GENERAL, ts)
    poll_until(
        lambda: redis.exists(f"starchat:{TEAM}:idempotency_key:{GENERAL}:{ts}"),
        description="the deletion",
    )
    poll_until(lambda: is_delivered_twice(workspace, ts), description="a later delivery")

    assert list_enqueued_messages(redis, ts) == []


def test_refused_connection_is_retried_with_backoff(
    workspace: Workspace, redis: Redis, bot: Process
) -> None:
    """While Slack refuses connections, the bot retries at growing intervals."""
    fault = {"fault": "status", "status": 503, "count": 2}
    workspace.set_faults({"method": "apps.connections.open", **fault})
    workspace.control_sockets("stale_tickets", count=1)
    workspace.control_sockets("drop")
    bot.wait_for_event("slack not reached")
    poll_until(lambda: workspace.read_state()["app"]["connected"], description="a connection")
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")

    assert list_enqueued_messages(redis, ts) == [ts]


@pytest.mark.parametrize("action", ["drop", "refresh_requested"])
def test_closed_socket_is_reopened(workspace: Workspace, redis: Redis, action: str) -> None:
    """A lost connection is replaced within seconds, and no message is lost."""
    workspace.set_clock(speed=1, ack_seconds=3)
    workspace.control_sockets(action)
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    poll_until(
        lambda: workspace.read_state()["app"]["connected"], timeout=12, description="a connection"
    )
    workspace.set_clock(advance=61)
    poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")

    assert list_enqueued_messages(redis, ts) == [ts]


def test_rejected_placeholder_is_left_to_worker(
    workspace: Workspace, redis: Redis, bot: Process, own_channel: str
) -> None:
    """A rejected post clears the owner; the question stays queued."""
    fault = {"fault": "error", "error": "is_archived"}
    workspace.set_faults({"method": "chat.postMessage", "channel": own_channel, **fault})
    ts = workspace.post_message(ADA, own_channel, "@StarChat hi")
    wait_until_not_posted(bot, job_id(TEAM, own_channel, ts))
    key = f"rq:job:{job_id(TEAM, own_channel, ts)}"
    poll_until(lambda: not redis.hexists(key, "starchat_placeholder_owner"))

    assert job_id(TEAM, own_channel, ts) in pending_job_ids(redis)


def test_ambiguous_placeholder_is_not_repeated(
    workspace: Workspace, redis: Redis, bot: Process, own_channel: str
) -> None:
    """After a cut connection the owner remains, so that the worker searches first."""
    fault = {"fault": "drop_after", "count": 1}
    workspace.set_faults({"method": "chat.postMessage", "channel": own_channel, **fault})
    ts = workspace.post_message(ADA, own_channel, "@StarChat hi")
    wait_until_not_posted(bot, job_id(TEAM, own_channel, ts))
    key = f"rq:job:{job_id(TEAM, own_channel, ts)}"

    assert str(redis.hget(key, "starchat_placeholder_owner")).startswith("b'bot:")
    assert not redis.hexists(key, "starchat_placeholder")
    assert len(workspace.bot_replies(own_channel, ts)) == 1


def test_rate_limited_placeholder_is_posted_later(workspace: Workspace, own_channel: str) -> None:
    """A rate limit delays the placeholder."""
    fault = {"fault": "ratelimited", "retry_after": 1, "count": 1}
    workspace.set_faults({"method": "chat.postMessage", "channel": own_channel, **fault})
    ts = workspace.post_message(ADA, own_channel, "@StarChat hi")

    assert (
        len(
            poll_until(
                lambda: workspace.bot_replies(own_channel, ts), description="the placeholder"
            )
        )
        == 1
    )


def test_shuffled_and_repeated_deliveries_make_one_job_each(
    workspace: Workspace, redis: Redis
) -> None:
    """Repeated and shuffled events leave one job for each question."""
    workspace.set_faults(deliveries={"duplicate": 0.5, "copies": 2, "reorder": 4, "hold": 0.1})
    asked = [workspace.post_message(ADA, GENERAL, f"@StarChat question {n}") for n in range(6)]
    poll_until(lambda: len(list_enqueued_messages(redis, *asked)) == 6, description="six jobs")
    poll_until(
        lambda: all(e["acked_at"] for e in workspace.delivery_attempts() if e["ts"] in asked)
    )

    assert sorted(list_enqueued_messages(redis, *asked)) == sorted(asked)
