"""Unread questions after a stop of their bot: another bot reads them, with all later changes."""

import math
from collections.abc import Iterator

import pytest
from redis import Redis

from bot.messages.event_parser import parse_event
from bot.messages.events import MessagePosted
from bot.store.client import read_clock
from bot.store.inbox import READ_LEASE_SECONDS, Inbox
from bot.store.job_queue import JobQueue
from bot.store.received import ReceivedMessage
from contract import keys
from contract.job import job_id
from testing.polling import poll_until
from testing.queue_inspector import TEAM, job_turns, pending_job_ids
from testing.redis_server import RedisServer
from testing.slack_events import BOT_IDENTITY, MENTION, make_body, make_message
from testing.workspace import ADA, GENERAL, LIN, Workspace
from tests.bot.handlers.bot_starts import CONNECTED, start_bot, wait_until_serving

OUTAGE_SECONDS = 300


@pytest.fixture(autouse=True)
def restore_workspace(workspace: Workspace) -> Iterator[None]:
    """Restore Slack's clock, and remove faults, after each test."""
    yield
    workspace.set_clock(ahead=0)
    workspace.set_faults()


def accept_unread(redis: Redis, ts: str, thread_ts: str) -> None:
    """Leave a question unread, as a bot that died after its acknowledgement."""
    raw = {**make_message(text=f"{MENTION} as it was"), "channel": GENERAL, "user": ADA, "ts": ts}
    if thread_ts != ts:
        raw["thread_ts"] = thread_ts
    post = parse_event(make_body(raw), BOT_IDENTITY)
    assert isinstance(post, MessagePosted)
    Inbox(redis, TEAM, JobQueue(redis)).accept(ReceivedMessage(post=post))


def test_changes_of_unread_questions_are_found(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Those that were deleted become no job, whether alone or in a thread; an edit is answered."""
    root = workspace.post_message(LIN, GENERAL, "it fails")
    thread_of = {
        workspace.post_message(ADA, GENERAL, "@StarChat why", root): root,
        workspace.post_message(ADA, GENERAL, "@StarChat my secret", root): root,
        (alone := workspace.post_message(ADA, GENERAL, "@StarChat my password")): alone,
        (edited := workspace.post_message(ADA, GENERAL, "@StarChat help mee")): edited,
    }
    kept, deleted, *_ = thread_of
    for ts, thread in thread_of.items():
        accept_unread(redis, ts, thread)
    workspace.delete_message(ADA, GENERAL, deleted)
    workspace.delete_message(ADA, GENERAL, alone)
    workspace.edit_message(ADA, GENERAL, edited, "@StarChat what is a mutex?")
    workspace.set_clock(ahead=OUTAGE_SECONDS)
    redis.hset(CONNECTED, mapping={"first": float(root), "last": float(root)})
    with start_bot(workspace, server) as bot:
        bot.wait_for_event("backfill finished")

        expected = {job_id(TEAM, GENERAL, ts) for ts in (kept, edited)}
        poll_until(lambda: set(pending_job_ids(redis)) == expected, description="the two jobs")
        read = {line for line in bot.log_text.splitlines() if "question read" in line}
        gone = [job_id(TEAM, GENERAL, ts) for ts in (deleted, alone)]
        # A worker would answer a job between its read and the comparison with Slack.
        assert not [line for line in read if any(job in line for job in gone)]
        assert [text for _, text in job_turns(redis, GENERAL, kept)] == ["it fails", "why"]
        assert [text for _, text in job_turns(redis, GENERAL, edited)] == ["what is a mutex?"]


def test_stopped_bot_gives_its_reads_back(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Another bot need not wait for the end of the lease."""
    workspace.set_faults({"method": "conversations.replies", "fault": "slow", "seconds": 60})
    root = workspace.post_message(LIN, GENERAL, "it fails")
    start = len(workspace.api_calls())
    with start_bot(workspace, server) as bot:
        wait_until_serving(workspace, redis, bot)
        ts = workspace.post_message(ADA, GENERAL, "@StarChat why?", root)
        poll_until(
            lambda: workspace.api_calls(start, "conversations.replies"), description="the read"
        )
        assert bot.stop_process() == 0

    job = job_id(TEAM, GENERAL, ts)
    due = float(redis.zscore(keys.inbox(TEAM), job) or math.inf)
    # On a busy machine, the call may fail before the bot stops: then it is repeated in a second.
    assert due < read_clock(redis) + READ_LEASE_SECONDS / 4
