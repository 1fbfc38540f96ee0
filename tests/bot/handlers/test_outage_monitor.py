"""Outage monitor: drops stale copies, rechecks open jobs, and keeps its heartbeat right."""

import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from bot.handlers.outage_monitor import MIN_OUTAGE_SECONDS
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.queue_inspector import TEAM, job_turns, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, Workspace
from tests.bot.handlers.bot_starts import (
    CONNECTED,
    begin_outage,
    start_bot,
    wait_until_serving,
)


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Restore clock, sockets and faults after each test."""
    yield
    workspace.set_faults()
    workspace.set_clock(speed=1)
    workspace.control_sockets("enable")


def test_backfill_restarts_after_shutdown_in_between(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """A shutdown during a backfill leaves the time of the last heartbeat unchanged."""
    begin_outage(workspace, redis, server)
    last = redis.hget(CONNECTED, "last")
    workspace.set_faults(
        {"method": "users.conversations", "fault": "ratelimited", "retry_after": 60}
    )
    before = len(workspace.api_calls())
    with start_bot(workspace, server) as bot:
        bot.wait_for_event("ready")
        poll_until(lambda: workspace.api_calls(before, "users.conversations"), description="a try")
        assert bot.stop_process() == 0
    assert redis.hget(CONNECTED, "last") == last


def test_cached_threads_are_dropped_after_outage(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Messages, edits and deletions of the outage are read from Slack."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        root = workspace.post_message(ADA, GENERAL, "@StarChat my key is hunter2")
        poll_until(
            lambda: redis.exists(keys.thread_cache(TEAM, GENERAL, root)), description="the copy"
        )
        workspace.wait_for_acks(root)
        bot.kill_group()
    last = float(redis.hget(CONNECTED, "last") or 0)
    redis.hset(CONNECTED, "last", last - 2 * MIN_OUTAGE_SECONDS)
    with start_bot(workspace, server) as bot:
        assert bot.wait_for_event("outage")["copies"] == 1
        bot.wait_for_event("backfill finished")


@pytest.mark.slow
def test_open_jobs_are_rechecked_after_outage(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """A question edited in the outage is answered as edited; a deleted one is not answered."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        kept = workspace.post_message(ADA, GENERAL, "@StarChat why", root)
        deleted = workspace.post_message(ADA, GENERAL, "@StarChat my secret", root)
        poll_until(lambda: len(pending_job_ids(redis)) == 2, description="two jobs")
        workspace.wait_for_acks(kept, deleted)
        bot.kill_group()
    workspace.edit_message(ADA, GENERAL, kept, "@StarChat why not?")
    workspace.delete_message(ADA, GENERAL, deleted)
    last = float(redis.hget(CONNECTED, "last") or 0)
    redis.hset(CONNECTED, "last", last - 2 * MIN_OUTAGE_SECONDS)
    with start_bot(workspace, server) as bot:
        bot.wait_for_event("backfill finished")

    assert pending_job_ids(redis) == [job_id(TEAM, GENERAL, kept)]
    assert [text for _, text in job_turns(redis, GENERAL, kept)] == ["it fails", "why not?"]


def test_heartbeat_is_not_recreated_after_purge(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """After an uninstall, only a new start records a heartbeat again."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        redis.delete(CONNECTED)
        threading.Event().wait(5.5)
        assert not redis.exists(CONNECTED)
