"""Outbox of votes in Redis: bounds, and edits of a line without a lost vote."""

import pytest
from redis import Redis

from bot.messages.votes.entries import CastVote, DropRecords, decode_entry
from bot.messages.votes.presses import Press, PressKind
from bot.store.client import decode_reply
from bot.store.vote_outbox import ENTRIES_PER_PAGE, MAX_WAITING_VOTES, VoteOutbox
from contract import keys

VOTE = CastVote(
    channel="C1",
    thread_ts="1.0",
    message_ts="2.0",
    version="0a",
    user="U1",
    press=Press(ts="10.0", kind=PressKind.TOGGLE),
    queued_at=0,
)
OUTBOX = keys.vote_outbox("T1")
SCHEDULE = keys.ran_line_schedule("T1")


@pytest.fixture
def outbox(redis: Redis) -> VoteOutbox:
    """The outbox of a team."""
    return VoteOutbox(redis, "T1")


def test_entries_have_the_time_of_their_acceptance(redis: Redis, outbox: VoteOutbox) -> None:
    """By Redis' clock; a removed entry is gone once."""
    drop = DropRecords(channel="C1", queued_at=0)
    stored = [outbox.push_entry(entry) for entry in (VOTE, drop, VOTE)]
    entries = [decode_entry(decode_reply(raw)) for raw in outbox.read_page(0)]

    assert [entry.model_copy(update={"queued_at": 0}) for entry in entries] == [VOTE, drop, VOTE]
    assert all(entry.queued_at > 1e9 for entry in entries)
    outbox.remove_entry(str(stored[1]))
    assert outbox.read_page(0) == [str(stored[0]).encode(), str(stored[2]).encode()]


def test_full_outbox_takes_deletions_only(redis: Redis, outbox: VoteOutbox) -> None:
    """A vote can be repeated by its person, a deletion cannot."""
    redis.rpush(OUTBOX, *range(MAX_WAITING_VOTES))

    assert outbox.push_entry(VOTE) is None
    assert outbox.push_entry(DropRecords(queued_at=0)) is not None
    assert len(outbox.read_page(0)) == ENTRIES_PER_PAGE
    assert len(outbox.read_page(MAX_WAITING_VOTES)) == 1


def test_key_of_a_wrong_type_is_set_aside(redis: Redis, outbox: VoteOutbox) -> None:
    """It stops no vote."""
    redis.set(OUTBOX, "text")

    assert outbox.push_entry(VOTE) is not None


def make_due(redis: Redis) -> None:
    """Let 20 seconds pass for the schedule."""
    redis.zincrby(SCHEDULE, -20, "C1:2.0:0a")


def test_vote_during_an_edit_leads_to_another_edit(redis: Redis, outbox: VoteOutbox) -> None:
    """One bot edits a line at a time; a vote that comes during an edit stays due."""
    outbox.schedule_line("C1", "2.0", "0a")
    assert outbox.lease_due_lines() == []
    make_due(redis)
    [line] = outbox.lease_due_lines()
    assert (line.channel, line.message_ts, line.version) == ("C1", "2.0", "0a")
    assert outbox.lease_due_lines() == []
    outbox.schedule_line("C1", "2.0", "0a")
    make_due(redis)
    assert outbox.lease_due_lines() == []
    outbox.finish_line(line)

    [line] = outbox.lease_due_lines()
    outbox.finish_line(line, retry_seconds=60)
    assert outbox.lease_due_lines() == []
    assert redis.exists(SCHEDULE)
    for _ in range(4):
        make_due(redis)
    [line] = outbox.lease_due_lines()
    outbox.finish_line(line)
    assert not redis.exists(SCHEDULE)


def test_malformed_lines_are_dropped(redis: Redis, outbox: VoteOutbox) -> None:
    """Another program may write to the same Redis."""
    redis.zadd(SCHEDULE, {"poison": 0, "C1:x:0a": 0, "<!channel>:1.0:": 0, "C1:1.0:\n": 0})

    assert outbox.lease_due_lines() == []
    assert not redis.exists(SCHEDULE)
