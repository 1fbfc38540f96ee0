"""What happens when Redis, Slack or the bot itself is away: nothing is lost, nothing is doubled."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job, job_turns, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, Workspace

Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("bot")


@pytest.fixture(autouse=True)
def hurry(workspace: Workspace) -> Iterator[None]:
    """Let Slack wait half a second for us and repeat within one or two, and leave no fault."""
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


def test_a_mention_without_redis_is_not_acknowledged_and_comes_again(
    workspace: Workspace, redis: Redis, server: RedisServer, bot: Process
) -> None:
    """While Redis is away nothing is promised; when it is back Slack has the question still."""
    server.kill_server()
    ts = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
    bot.wait_for_event("not acknowledged")
    assert not any(acknowledged for _, acknowledged in list_attempts(workspace, ts))
    server.restart_server()
    poll_until(lambda: is_delivered_twice(workspace, ts), description="a later delivery")

    assert max(attempt for attempt, _ in list_attempts(workspace, ts)) > 0
    assert list_enqueued_messages(redis, ts) == [ts]
    assert job_turns(redis, GENERAL, ts) == [(None, "what is a mutex?")]


def test_a_redis_that_was_restarted_is_used_at_once(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Connections that died with the old server cost no delivery."""
    first = workspace.post_message(ADA, GENERAL, "@StarChat one")
    poll_until(lambda: is_delivered_twice(workspace, first))
    server.restart_server()
    second = workspace.post_message(ADA, GENERAL, "@StarChat two")
    poll_until(lambda: is_delivered_twice(workspace, second))

    assert list_attempts(workspace, second) == [(0, True), (0, True)]
    assert list_enqueued_messages(redis, first, second) == [first, second]


def test_a_thread_that_slack_will_not_show_now_is_read_later(
    workspace: Workspace, redis: Redis
) -> None:
    """When Slack limits our reading, the mention comes again and has the whole thread then."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    fault = {"fault": "ratelimited", "retry_after": 1, "count": 1}
    workspace.set_faults({"method": "conversations.replies", **fault})
    ts = workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
    poll_until(lambda: is_delivered_twice(workspace, ts), description="a later delivery")

    assert job_turns(redis, GENERAL, ts) == [("Lin", "it fails"), ("Ada", "why?")]
    assert list_enqueued_messages(redis, ts) == [ts]


def test_the_last_delivery_goes_on_with_the_question_alone(
    workspace: Workspace, redis: Redis
) -> None:
    """A thread that cannot be read at all is better answered without than never."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    workspace.set_faults({"method": "conversations.replies", "fault": "status", "status": 503})
    ts = workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
    poll_until(lambda: is_delivered_twice(workspace, ts), description="the last delivery")

    assert max(list_attempts(workspace, ts)) == (3, True)
    assert job_turns(redis, GENERAL, ts) == [(None, "why?")]


def test_a_bot_that_may_not_read_threads_answers_the_question(
    workspace: Workspace, redis: Redis
) -> None:
    """Without the permission to read, the question alone is answered, and at once."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    workspace.set_faults(
        {"method": "conversations.replies", "fault": "error", "error": "missing_scope"}
    )
    ts = workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
    poll_until(lambda: is_delivered_twice(workspace, ts))

    assert list_attempts(workspace, ts) == [(0, True), (0, True)]
    assert job_turns(redis, GENERAL, ts) == [(None, "why?")]


def test_a_question_that_is_deleted_before_it_arrives_is_not_answered(
    workspace: Workspace, redis: Redis, server: RedisServer, bot: Process
) -> None:
    """While Redis is away a question is asked and taken back; Slack delivers both late."""
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


def test_a_connection_that_slack_will_not_open_yet_is_opened_later(
    workspace: Workspace, redis: Redis, bot: Process
) -> None:
    """While Slack refuses new connections the bot tries again, slower each time."""
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
def test_a_socket_that_closes_is_opened_again(
    workspace: Workspace, redis: Redis, action: str
) -> None:
    """A lost connection is replaced within seconds, and what was said meanwhile arrives."""
    workspace.set_clock(speed=1, ack_seconds=3)
    workspace.control_sockets(action)
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    poll_until(
        lambda: workspace.read_state()["app"]["connected"], timeout=12, description="a connection"
    )
    workspace.set_clock(advance=61)
    poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")

    assert list_enqueued_messages(redis, ts) == [ts]


def test_a_sign_that_slack_refuses_is_left_to_the_worker(
    workspace: Workspace, redis: Redis, bot: Process
) -> None:
    """A refused post has not happened: the intent is taken back, the question stays."""
    workspace.set_faults({"method": "chat.postMessage", "fault": "error", "error": "is_archived"})
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    bot.wait_for_event("placeholder not posted")
    key = f"rq:job:{job_id(TEAM, GENERAL, ts)}"
    poll_until(lambda: not redis.hexists(key, "starchat_placeholder_owner"))

    assert list_enqueued_messages(redis, ts) == [ts]


def test_a_sign_that_may_have_arrived_is_not_posted_again(
    workspace: Workspace, redis: Redis, bot: Process
) -> None:
    """A cut connection leaves the intent behind, so that the worker looks before it posts."""
    workspace.set_faults({"method": "chat.postMessage", "fault": "drop_after", "count": 1})
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    bot.wait_for_event("placeholder not posted")
    key = f"rq:job:{job_id(TEAM, GENERAL, ts)}"

    assert str(redis.hget(key, "starchat_placeholder_owner")).startswith("b'bot:")
    assert not redis.hexists(key, "starchat_placeholder")
    assert len(workspace.bot_replies(GENERAL, ts)) == 1


def test_a_sign_that_slack_puts_off_comes_later(workspace: Workspace, redis: Redis) -> None:
    """A rate limit delays the sign and loses nothing."""
    fault = {"fault": "ratelimited", "retry_after": 1, "count": 1}
    workspace.set_faults({"method": "chat.postMessage", **fault})
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")

    assert len(poll_until(lambda: workspace.bot_replies(GENERAL, ts), description="the sign")) == 1


def test_deliveries_in_any_order_and_number_are_one_job_each(
    workspace: Workspace, redis: Redis
) -> None:
    """Doubled and shuffled deliveries of a conversation leave one job for each question."""
    workspace.set_faults(deliveries={"duplicate": 0.5, "copies": 2, "reorder": 4, "hold": 0.1})
    asked = [workspace.post_message(ADA, GENERAL, f"@StarChat question {n}") for n in range(6)]
    poll_until(lambda: len(list_enqueued_messages(redis, *asked)) == 6, description="six jobs")
    poll_until(
        lambda: all(e["acked_at"] for e in workspace.delivery_attempts() if e["ts"] in asked)
    )

    assert sorted(list_enqueued_messages(redis, *asked)) == sorted(asked)
