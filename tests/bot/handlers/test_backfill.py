"""After an outage each question of it is taken in once, and nothing that was dealt with before."""

import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from bot.handlers.outage_monitor import MIN_OUTAGE_SECONDS
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.processes import Process
from testing.queue_inspector import TEAM, find_job, finish_job, job_turns, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, LIN, PYTHON, STARCHAT, Workspace

CONNECTED = keys.connection_window(TEAM)


@pytest.fixture(autouse=True)
def healthy(workspace: Workspace) -> Iterator[None]:
    """Leave the workspace as it was."""
    yield
    workspace.set_faults()
    workspace.set_clock(speed=1)
    workspace.control_sockets("enable")


def start_bot(workspace: Workspace, server: RedisServer, **variables: str) -> Process:
    """Start a bot."""
    return Process("bot", REDIS_URL=server.url, **workspace.environment, **variables)


def wait_until_serving(workspace: Workspace, redis: Redis, bot: Process) -> None:
    """Wait until a bot is connected and has noted that."""
    bot.wait_for_event("connected")
    workspace.wait_until_connected()
    poll_until(lambda: redis.hget(CONNECTED, "last"), description="the first note")


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
    """Each question is one job, with what was said before it."""
    said = [[text for _, text in job_turns(redis, channel, ts)] for channel, ts in asked]
    assert said == [
        ["what is a lock?"],
        ["one"],
        ["it fails", "why?"],
        ["what is a mutex?", "and in Rust?"],
        ["hello"],
    ]


def test_a_new_question_does_not_pass_one_of_the_outage(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """While a bot catches up, somebody goes on in a thread whose last question it has not seen."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        root = workspace.post_message(ADA, GENERAL, "@StarChat what is a mutex?")
        poll_until(
            lambda: redis.exists(keys.thread_mode(TEAM, GENERAL, root)), description="the session"
        )
        workspace.wait_for_acks(root)
        bot.kill_group()
    unseen = workspace.post_message(ADA, GENERAL, "and in Rust?", root)
    workspace.exhaust_redeliveries(unseen)
    workspace.set_faults({"method": "users.conversations", "fault": "slow", "seconds": 3})
    with start_bot(workspace, server) as bot:
        bot.wait_for_event("connected")
        ts = workspace.post_message(ADA, GENERAL, "@StarChat and in Go?", root)
        poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")
        assert "backfill finished" not in bot.log_text
        lane = redis.lrange(keys.thread_queue(TEAM, GENERAL, root), 0, -1)

    jobs = [job_id(TEAM, GENERAL, asked).encode() for asked in (root, unseen, ts)]
    assert lane == jobs


def test_each_question_of_an_outage_is_taken_in_once(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Mentions, replies in threads, direct messages and followed threads; nothing else."""
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


def test_what_was_written_in_last_is_read_first(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Threads cost a call each: those of the outage are not kept waiting by busy ones before it."""
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
def test_nothing_is_answered_that_was_said_before_the_installation(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """A bot that starts for the first time looks at nothing, nor at it when it starts again."""
    ts = workspace.post_message(ADA, GENERAL, "@StarChat are you there?")
    workspace.exhaust_redeliveries(ts)
    for _ in range(2):
        with start_bot(workspace, server) as bot:
            wait_until_serving(workspace, redis, bot)
        assert pending_job_ids(redis) == []


@pytest.mark.slow
def test_a_start_into_a_slack_that_limits_us_catches_up_late(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Limits and failures delay the search and lose nothing; new events are not kept waiting."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        bot.kill_group()
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


def test_without_the_scope_the_threads_that_it_follows_are_still_found(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """An installation of before the scope was asked for loses only what is new elsewhere."""
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


def test_a_bot_that_was_cut_off_catches_up_when_it_is_back(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Not only a start ends an outage: so does the first connection after a long while."""
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


def test_a_bot_that_ends_while_it_waits_for_slack_begins_anew(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """An end in the middle leaves the note of the last connection as it was."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        bot.kill_group()
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


def test_copies_of_threads_are_read_again_after_an_outage(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """What was said, edited and deleted meanwhile is known to nobody but Slack."""
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
def test_a_waiting_question_is_compared_with_slack_after_an_outage(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Edited meanwhile, it is answered as it is now; deleted meanwhile, not at all."""
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


def test_the_note_never_comes_back_after_the_team_is_forgotten(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Removing the bot removes what it knew; only a new start begins again."""
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        redis.delete(CONNECTED)
        threading.Event().wait(5.5)
        assert not redis.exists(CONNECTED)
