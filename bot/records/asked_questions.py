"""Asked questions in the database: recorded, found by their likeness, and dropped."""

import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from bot.asked_before.fingerprint import KEY_BYTES, MIN_SIMILARITY, Fingerprint
from bot.asked_before.terms import Terms
from bot.messages.votes.presses import Mark
from bot.records.engine import allow_long_use
from bot.records.tables import (
    asked_questions,
    signature_keys,
    voted_replies,
    votes,
)
from contract.job import Thread

MAX_CANDIDATES: Final = 20
"""Like questions whose votes are counted, the newest ones."""
VOTE_KEY: Final = ("team", "channel", "message_ts", "version")
THREAD_KEY: Final = ("team", "channel", "thread_ts")
SAME_THREAD: Final = tuple(votes.c[name] == asked_questions.c[name] for name in THREAD_KEY)


@dataclass(frozen=True, slots=True)
class LikeAnswer:
    """Answer to a like question: the reply at `message_ts`, whose `version` ran for `num_ran`."""

    thread: Thread
    question_ts: str
    author: str
    message_ts: str
    version: str
    num_ran: int
    similarity: float


def record_question(
    connection: Connection, thread: Thread, ts: str, user: str, terms: Terms
) -> None:
    """Record a question by its fingerprint. Repeating it changes nothing."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    team = thread.team
    new_key = secrets.token_bytes(KEY_BYTES)
    insertion = dialect.insert(signature_keys).values(team=team, secret=new_key)
    connection.execute(insertion.on_conflict_do_nothing())
    fingerprint = Fingerprint.from_terms(terms, _read_key(connection, team) or new_key)
    row = {
        "team": team,
        "channel": thread.channel,
        "thread_ts": thread.ts,
        "message_ts": ts,
        "user_id": user,
        "signature": fingerprint.encode_signature(),
        "digest": fingerprint.digest,
    }
    statement = dialect.insert(asked_questions).values(row)
    connection.execute(statement.on_conflict_do_nothing())


def find_like_answers(
    connection: Connection, thread: Thread, ts: str, terms: Terms
) -> list[LikeAnswer]:
    """
    Return the answers that ran for colleagues of those who asked like questions, the best first.

    The question at `ts` itself is none of them.
    """
    key = _read_key(connection, thread.team)
    if key is None:
        return []
    fingerprint = Fingerprint.from_terms(terms, key)
    answers = [
        answer
        for question in _find_questions(connection, thread.team, fingerprint.digest)
        if (question.channel, question.message_ts) != (thread.channel, ts)
        and (similarity := fingerprint.measure_similarity(question.signature)) >= MIN_SIMILARITY
        for answer in _count_votes(connection, question, similarity)
    ]
    return sorted(answers, key=lambda one: (one.similarity, one.num_ran, one.question_ts))[::-1]


def drop_channel_questions(connection: Connection, team: str, channel: str) -> int:
    """Delete the questions of a channel; return their number."""
    matches = asked_questions.c.team == team, asked_questions.c.channel == channel
    return connection.execute(delete(asked_questions).where(*matches)).rowcount


def list_asked_channels(connection: Connection, team: str) -> list[str]:
    """Return the channels of a team that have recorded questions."""
    query = select(asked_questions.c.channel).where(asked_questions.c.team == team).distinct()
    return list(connection.execute(query).scalars())


def drop_unanswered_questions(connection: Connection, before_ts: str) -> int:
    """Delete the questions before a Slack timestamp whose answers ran for no one."""
    allow_long_use(connection)
    is_old = asked_questions.c.message_ts < before_ts
    has_ran = exists().where(*SAME_THREAD, votes.c.ran)
    return connection.execute(delete(asked_questions).where(is_old, ~has_ran)).rowcount


def _read_key(connection: Connection, team: str) -> bytes | None:
    query = select(signature_keys.c.secret).where(signature_keys.c.team == team)
    return connection.execute(query).scalar()


def _find_questions(connection: Connection, team: str, digest: bytes) -> Iterable[Row[Any]]:
    """Return the questions with the same distinguishing terms that ran for a colleague."""
    is_colleague: ColumnElement[bool] = votes.c.user_id != asked_questions.c.user_id
    query = (
        select(asked_questions)
        .where(
            asked_questions.c.team == team,
            asked_questions.c.digest == digest,
            exists().where(*SAME_THREAD, votes.c.ran, is_colleague),
        )
        .order_by(asked_questions.c.id.desc())
        .limit(MAX_CANDIDATES)
    )
    return connection.execute(query).all()


def _count_votes(
    connection: Connection, question: Row[Any], similarity: float
) -> Iterator[LikeAnswer]:
    """Yield the versions of the reply to a question that ran for as many as it failed, or more."""
    same_reply = [votes.c[name] == voted_replies.c[name] for name in VOTE_KEY]
    in_thread = [votes.c[name] == getattr(question, name) for name in THREAD_KEY]
    ran: dict[tuple[str, str], set[str]] = {}
    num_down = Counter[tuple[str, str]]()
    query = select(votes, voted_replies.c.facts).where(*same_reply, *in_thread)
    for vote in connection.execute(query).all():
        if not _is_about(vote.facts, question.message_ts):
            continue
        reply = (vote.message_ts, vote.version)
        num_down[reply] += vote.opinion == Mark.DOWN
        if vote.ran and vote.user_id != question.user_id:
            ran.setdefault(reply, set()).add(vote.user_id)
    thread = Thread(team=question.team, channel=question.channel, ts=question.thread_ts)
    for reply, users in ran.items():
        if num_down[reply] <= len(users):
            yield LikeAnswer(
                thread, question.message_ts, question.user_id, *reply, len(users), similarity
            )


def _is_about(facts: str, question_ts: str) -> bool:
    """Return whether a reply with these facts answers a question, not a later one of its thread."""
    try:
        found = json.loads(facts)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("question_ts") == question_ts
