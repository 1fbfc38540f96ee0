"""Votes in the database: presses are added to a person's row, from which the vote follows."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.messages.votes.presses import (
    Press,
    Vote,
    count_vote,
    decode_presses,
    encode_presses,
    sum_up_presses,
)
from bot.records.engine import allow_long_use
from bot.records.tables import voted_replies, votes


@dataclass(frozen=True, slots=True)
class ReplyKey:
    """One version of a reply."""

    team: str
    channel: str
    message_ts: str
    version: str


@dataclass(frozen=True, slots=True)
class VotedReply:
    """Facts about a reply, as JSON; its texts only with the workspace's consent."""

    thread_ts: str
    facts: str
    conversation: str | None = None
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class VoteChange:
    """A person's vote before and after a press, and the facts about the reply, as JSON."""

    before: Vote
    after: Vote
    facts: str


def add_press(
    connection: Connection, key: ReplyKey, user: str, press: Press, reply: VotedReply | None = None
) -> VoteChange | None:
    """
    Add a press to a person's vote on a reply. Repeating it changes nothing.

    Returns `None` if the reply is unknown and `reply` does not describe it. Raises
    `SQLAlchemyError`.
    """
    owner = asdict(key)
    if reply is not None:
        _insert_once(connection, voted_replies, owner | asdict(reply))
    matches = [voted_replies.c[name] == value for name, value in owner.items()]
    columns = (voted_replies.c.thread_ts, voted_replies.c.facts)
    known = connection.execute(select(*columns).where(*matches)).one_or_none()
    if known is None:
        return None
    empty = {"thread_ts": known.thread_ts, "ran": False, "voted_at": press.ts, "presses": "[]"}
    _insert_once(connection, votes, owner | {"user_id": user} | empty)
    row = [votes.c[name] == value for name, value in (owner | {"user_id": user}).items()]
    stored = connection.execute(select(votes.c.presses).where(*row).with_for_update()).scalar_one()
    before = decode_presses(stored)
    after = sum_up_presses([*before, press])
    vote = count_vote(after)
    values = {
        "opinion": vote.opinion,
        "reason": vote.reason,
        "ran": vote.ran,
        "voted_at": after[-1].ts,
        "presses": encode_presses(after),
    }
    connection.execute(update(votes).where(*row).values(values))
    return VoteChange(count_vote(before), vote, known.facts)


def count_ran(connection: Connection, key: ReplyKey) -> tuple[int, str]:
    """Return for how many people the code of a reply ran, and the first of them."""
    found = [votes.c[name] == value for name, value in asdict(key).items()]
    rows = connection.execute(
        select(votes.c.user_id, func.count().over())
        .where(*found, votes.c.ran)
        .order_by(votes.c.voted_at, votes.c.user_id)
        .limit(1)
    ).all()
    return (int(rows[0][1]), str(rows[0][0])) if rows else (0, "")


def drop_texts(connection: Connection, team: str, channel: str, thread_ts: str) -> None:
    """Delete the texts of a thread's replies; the votes stay."""
    owner = {"team": team, "channel": channel, "thread_ts": thread_ts}
    connection.execute(
        update(voted_replies)
        .where(*(voted_replies.c[name] == value for name, value in owner.items()))
        .values(conversation=None, reply=None)
    )


def drop_old_votes(connection: Connection, before_ts: str) -> int:
    """
    Delete votes before a Slack timestamp, and replies without votes; return the number of votes.

    Replies that were posted before lose their texts, also if someone has voted on them since.
    """
    allow_long_use(connection)
    texts = voted_replies.c.conversation, voted_replies.c.reply
    connection.execute(
        update(voted_replies)
        .where(voted_replies.c.message_ts < before_ts, or_(*(one.is_not(None) for one in texts)))
        .values(dict.fromkeys(texts))
    )
    num_deleted = connection.execute(delete(votes).where(votes.c.voted_at < before_ts)).rowcount
    names = ("team", "channel", "message_ts", "version")
    has_votes = exists().where(*(votes.c[name] == voted_replies.c[name] for name in names))
    connection.execute(delete(voted_replies).where(~has_votes))
    return num_deleted


def _insert_once(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert a row unless there is one with its key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(values).on_conflict_do_nothing())
