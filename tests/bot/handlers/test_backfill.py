"""Backfill: after an outage, each missed question is enqueued once."""

from collections.abc import Iterator

import pytest
from redis import Redis

from bot.handlers.outage_monitor import MIN_OUTAGE_SECONDS
from bot.slack.client import RETRY_DELAYS_SECONDS
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.queue_inspector import TEAM, find_job, finish_job, job_turns, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, PYTHON, STARCHAT, Workspace
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


Asked = list[tuple[str, str]]


def ask_during_outage(workspace: Workspace, followed: str) -> Asked:
    """Let people ask in every way there is; returns channel and `ts` of each question."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    direct = workspace.open_dm(LIN, STARCHAT)
    edited = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutx?")
    workspace.edit_message(ADA, GENERAL, edited, "@StarChat what is a lock?")
    return [
        (GENERAL, edited),
        (GENERAL, workspace.post_message(ADA, GENERAL, "@StarChat one")),
        (GENERAL, workspace.post_message(ADA, GENERAL, "@StarChat why?", root)),
        (PYTHON, workspace.post_message(ADA, PYTHON, "and in Rust?", followed)),
        (direct, workspace.post_message(LIN, direct, "hello")),
    ]


def assert_enqueued_once(redis: Redis, asked: Asked) -> None:
    """Assert that each question is one job, with the messages before it."""
    said = [[text for _, text in job_turns(redis, channel, ts)] for channel, ts in asked]
    assert said == [
        ["what is a lock?"],
        ["one"],
        ["it fails", "why?"],
        ["what is a mutex?", "and in Rust?"],
        ["hello"],
    ]


def test_new_question_waits_for_missed_ones_in_its_thread(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """During a backfill, the missed question of a thread is enqueued before a new one."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        talk = workspace.post_message(ADA, PYTHON, "it fails")
        root = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
        poll_until(
            lambda: redis.exists(keys.thread_mode(TEAM, GENERAL, root)), description="the session"
        )
        workspace.wait_for_acks(root)
        bot.kill_group()
    unseen = workspace.post_message(ADA, GENERAL, "and in Rust?", root)
    more_talk = workspace.post_message(ADA, PYTHON, "it still fails", talk)
    workspace.exhaust_redeliveries(unseen, more_talk)
    workspace.set_faults({"method": "users.conversations", "fault": "slow", "seconds": 3})
    with start_bot(workspace, server) as bot:
        bot.wait_for_event("connected")
        ts = workspace.post_message(ADA, GENERAL, "@StarChat and in Go?", root)
        first = workspace.post_message(ADA, PYTHON, "@StarChat why?", talk)
        poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")
        poll_until(lambda: find_job(redis, PYTHON, first), description="the first question")
        assert "backfill finished" not in bot.log_text
        lane = redis.lrange(keys.thread_queue(TEAM, GENERAL, root), 0, -1)

        bot.wait_for_event("backfill finished")

    jobs = [job_id(TEAM, GENERAL, asked) for asked in (root, unseen, ts)]
    assert lane == [job.encode() for job in jobs]
    # What people wrote in a thread before its first question is no follow-up.
    assert sorted(pending_job_ids(redis)) == sorted([*jobs, job_id(TEAM, PYTHON, first)])


def test_each_missed_question_is_enqueued_once(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Mentions, thread replies, direct messages and followed threads; no other message."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        before = workspace.post_message(ADA, GENERAL, "@StarChat before")
        followed = workspace.post_message(ADA, PYTHON, "@StarChat what is a mutex?")
        poll_until(lambda: len(pending_job_ids(redis)) == 2, description="two jobs")
        poll_until(
            lambda: redis.exists(keys.thread_mode(TEAM, PYTHON, followed)),
            description="the session",
        )
        workspace.wait_for_acks(before, followed)
        finish_job(redis, job_id(TEAM, GENERAL, before))
        bot.kill_group()
    asked = ask_during_outage(workspace, followed)
    nothing = workspace.post_message(LIN, GENERAL, "nice weather")
    workspace.exhaust_redeliveries(nothing, *(ts for _, ts in asked))
    with start_bot(workspace, server) as bot:
        assert bot.wait_for_event("backfill finished")["questions"] >= len(asked)
        jobs = {job_id(TEAM, *place) for place in [*asked, (PYTHON, followed)]}
        assert sorted(pending_job_ids(redis)) == sorted(jobs)
        assert_enqueued_once(redis, asked)
        assert not any(word in bot.log_text for word in ("mutex", "Rust", "it fails"))
    with start_bot(workspace, server) as bot:
        bot.wait_for_event("backfill finished")
        assert sorted(pending_job_ids(redis)) == sorted(jobs)


def test_recently_active_threads_are_read_first(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Each thread costs a call, so threads that were active in the outage come first."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        threads = [
            (where, workspace.post_message(LIN, where, "it fails")) for where in (GENERAL, PYTHON)
        ]
        said = [workspace.post_message(LIN, where, "still", root) for where, root in threads]
        workspace.wait_for_acks(*(root for _, root in threads), *said)
        bot.kill_group()
    where, root = threads[0]
    asked = workspace.post_message(ADA, where, "@StarChat why?", root)
    workspace.exhaust_redeliveries(asked)
    before = len(workspace.api_calls())
    with start_bot(workspace, server) as bot:
        bot.wait_for_event("backfill finished")

    read = [c["args"].get("ts") for c in workspace.api_calls(before) if "oldest" in c["args"]]
    roots = [ts for _, ts in threads]
    assert [ts for ts in read if ts in {None, *roots}] == [None] * read.count(None) + roots
    assert find_job(redis, where, asked) is not None


@pytest.mark.slow
def test_messages_before_installation_are_ignored(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """The first start of a bot backfills nothing, and later starts ignore that time too."""
    ts = workspace.post_message(ADA, GENERAL, "@StarChat are you there?")
    workspace.exhaust_redeliveries(ts)
    workspace.wait_for_next_second()
    for _ in range(2):
        with start_bot(workspace, server) as bot:
            wait_until_serving(workspace, redis, bot)
        assert pending_job_ids(redis) == []


@pytest.mark.slow
def test_backfill_survives_rate_limits_and_errors(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Rate limits and errors delay a backfill and lose nothing; new events are handled at once."""
    begin_outage(workspace, redis, server)
    ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
    workspace.exhaust_redeliveries(ts)
    limited = {"fault": "ratelimited", "retry_after": 2, "count": 1}
    workspace.set_faults(
        {"method": "users.conversations", **limited},
        {"method": "conversations.history", **limited},
        {"method": "conversations.history", "fault": "status", "status": 503, "count": 1},
        {"method": "conversations.replies", "fault": "drop_before", "count": 1},
    )
    with start_bot(workspace, server) as bot:
        bot.wait_for_event("connected")
        workspace.wait_until_connected()
        new = workspace.post_message(ADA, PYTHON, "@StarChat now")
        poll_until(lambda: find_job(redis, PYTHON, new), description="the new job")
        assert find_job(redis, GENERAL, ts) is None
        bot.wait_for_event("backfill finished")

        assert sorted(pending_job_ids(redis)) == sorted(
            [job_id(TEAM, GENERAL, ts), job_id(TEAM, PYTHON, new)]
        )


def test_followed_threads_are_found_without_list_scope(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Without the scope to list channels, only questions in new threads are missed."""
    reading = ["channels:read", "groups:read", "im:read", "mpim:read"]
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        root = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
        poll_until(
            lambda: redis.exists(keys.thread_mode(TEAM, GENERAL, root)), description="the session"
        )
        workspace.wait_for_acks(root)
        bot.kill_group()
    ts = workspace.post_message(ADA, GENERAL, "and in Rust?", root)
    workspace.exhaust_redeliveries(ts)
    workspace.send_control("app", without_scopes=reading)
    with start_bot(workspace, server) as bot:
        assert bot.wait_for_event("channels not listed")["why"] == "missing_scope"
        bot.wait_for_event("backfill finished")
    workspace.send_control("app", with_scopes=reading)

    assert find_job(redis, GENERAL, ts) is not None


def test_backfill_after_lost_connection(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """A connection after a long gap starts a backfill, as a start of the process does."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        known = workspace.post_message(ADA, GENERAL, "@StarChat known")
        poll_until(lambda: find_job(redis, GENERAL, known), description="the job")
        workspace.control_sockets("link_disabled")
        poll_until(
            lambda: not workspace.read_state()["app"]["connected"],
            description="the end of the sockets",
        )
        ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
        workspace.exhaust_redeliveries(ts)
        last = float(redis.hget(CONNECTED, "last") or 0)
        redis.hset(CONNECTED, "last", last - 2 * MIN_OUTAGE_SECONDS)
        workspace.control_sockets("enable")
        bot.wait_for_event("outage")
        bot.wait_for_event("backfill finished")

        assert pending_job_ids(redis) == [job_id(TEAM, GENERAL, t) for t in (known, ts)]
        assert float(redis.hget(CONNECTED, "first") or 0) <= last


def test_failing_channel_delays_no_other(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Its questions are found by a later read, after the end of the backfill."""
    begin_outage(workspace, redis, server)
    asked = [
        (place, workspace.post_message(ADA, place, "@StarChat hi")) for place in (PYTHON, GENERAL)
    ]
    workspace.exhaust_redeliveries(*(ts for _, ts in asked))
    # All tries of the first read.
    fault = {"fault": "error", "error": "fatal_error", "count": 1 + len(RETRY_DELAYS_SECONDS)}
    workspace.set_faults({"method": "conversations.history", "channel": PYTHON, **fault})
    with start_bot(workspace, server) as bot:
        assert bot.wait_for_event("channel postponed")["channel"] == PYTHON
        bot.wait_for_event("backfill finished")
        assert find_job(redis, *asked[1]) is not None
        assert bot.wait_for_event("postponed channel filled")["questions"] == 1

    assert sorted(pending_job_ids(redis)) == sorted(job_id(TEAM, *place) for place in asked)
