"""Metrics of votes: by the model that wrote the reply, if a live worker serves it."""

from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis

from bot.handlers.votes.vote_keeper import VoteKeeper
from bot.messages.votes.entries import CastVote
from bot.messages.votes.presses import Mark, Press, PressKind
from bot.metrics import Metrics
from bot.records.database import Records
from bot.records.votes import ReplyKey, VotedReply, add_press
from bot.store.job_queue import JobQueue
from bot.store.vote_outbox import VoteOutbox
from contract import keys
from contract.reply_details import ReplyDetails
from contract.worker_status import ServedModel, WorkerStatus

TEAM, VERSION = "T1", "0a0b0c"
UNUSED: Final[Any] = None
"""In place of parts that a vote on a known reply does not need."""


@pytest.fixture
def keeper(redis: Redis, tmp_path: Path) -> VoteKeeper:
    """A keeper beside a live worker that serves one revision of a tuned model."""
    records = Records(f"sqlite:///{tmp_path / 'records.db'}")
    records.open_database()
    served = ServedModel(model="tuned", revision="1f")
    now, _ = redis.time()
    status = WorkerStatus(reported_at=now, slots=1, busy_slots=0, models=(served,))
    redis.hset(keys.WORKER_STATUSES, "w1", status.model_dump_json())
    return VoteKeeper(
        VoteOutbox(redis, TEAM),
        records,
        UNUSED,
        UNUSED,
        UNUSED,
        Metrics(),
        JobQueue(redis),
        retention_days=30,
    )


def vote(keeper: VoteKeeper, reply: str, revision: str, mark: Mark) -> None:
    """Vote on a reply, of which another person's vote is stored already."""
    facts = ReplyDetails(model="tuned", revision=revision).model_dump_json()
    press = Press(ts="1.000001", kind=PressKind.TOGGLE, mark=mark)
    key, known = ReplyKey(TEAM, "C1", reply, VERSION), VotedReply("1.000000", facts)
    keeper.records.write(lambda found: add_press(found, key, "U1", press, known))
    cast = CastVote(
        channel="C1",
        thread_ts="1.000000",
        message_ts=reply,
        version=VERSION,
        user="U2",
        press=press,
        queued_at=0,
    )
    keeper.store_vote("", cast)


def test_votes_are_counted_by_served_revision(keeper: VoteKeeper, redis: Redis) -> None:
    """A reply of a model that was rolled back counts as another model's."""
    vote(keeper, "1.000010", "1f", Mark.UP)
    vote(keeper, "1.000020", "2e", Mark.DOWN)
    redis.delete(keys.WORKER_STATUSES)
    vote(keeper, "1.000030", "1f", Mark.UP)

    numbers = keeper.metrics.export_text(ready=True).decode()
    for kind, model, revision in (
        ("up", "tuned", "1f"),
        ("down", "other", ""),
        ("up", "other", ""),
    ):
        labels = f'kind="{kind}",model="{model}",revision="{revision}"'
        assert f"starchat_votes_total{{{labels}}} 1.0" in numbers
    keeper.records.close_database()
