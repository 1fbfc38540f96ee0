"""Asked questions in the database: recorded, found by their likeness, and dropped."""

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, exists, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from bot.asked_before.fingerprint import KEY_BYTES, MIN_SIMILARITY, Fingerprint
from bot.asked_before.terms import Terms
from bot.messages.votes.presses import Mark
from bot.records.engine import allow_long_use
from bot.records.tables import (
    asked_questions,
    question_bands,
    signature_keys,
    voted_replies,
    votes,
)
from contract.job import Thread

MAX_CANDIDATES: Final = 50
"""Like questions whose votes are counted, the newest ones."""
VOTE_KEY: Final = ("team", "channel", "message_ts", "version")
SAME_THREAD: Final = tuple(
    votes.c[name] == asked_questions.c[name] for name in ("team", "channel", "thread_ts")
)


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
    statement = dialect.insert(asked_questions).values(row).on_conflict_do_nothing()
    question = connection.execute(statement.returning(asked_questions.c.id)).scalar()
    if question is not None:
        bands = [{"team": team, "band": b, "question_id": question} for b in fingerprint.bands]
        connection.execute(question_bands.insert(), bands)


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
    similar = {
        question: similarity
        for question in _find_questions(connection, thread.team, fingerprint)
        if (question.channel, question.message_ts) != (thread.channel, ts)
        and (similarity := fingerprint.measure_similarity(question.signature)) >= MIN_SIMILARITY
    }
    if not similar:
        return []
    answers = _count_votes(connection, thread.team, similar)
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


def _find_questions(
    connection: Connection, team: str, fingerprint: Fingerprint
) -> Iterable[Row[Any]]:
    """Return the questions with the same distinguishing terms that ran for a colleague."""
    has_band = question_bands.c.team == team, question_bands.c.band.in_(fingerprint.bands)
    is_colleague: ColumnElement[bool] = votes.c.user_id != asked_questions.c.user_id
    query = (
        select(asked_questions)
        .where(
            asked_questions.c.id.in_(select(question_bands.c.question_id).where(*has_band)),
            asked_questions.c.team == team,
            asked_questions.c.digest == fingerprint.digest,
            exists().where(*SAME_THREAD, votes.c.ran, is_colleague),
        )
        .order_by(asked_questions.c.message_ts.desc())
        .limit(MAX_CANDIDATES)
    )
    return connection.execute(query).all()


def _count_votes(
    connection: Connection, team: str, similar: dict[Row[Any], float]
) -> Iterator[LikeAnswer]:
    """Yield the versions of replies to questions for which more votes speak than against."""
    threads = [(question.channel, question.thread_ts) for question in similar]
    same_reply = [votes.c[name] == voted_replies.c[name] for name in VOTE_KEY]
    found = connection.execute(
        select(votes, voted_replies.c.facts).where(
            *same_reply,
            votes.c.team == team,
            tuple_(votes.c.channel, votes.c.thread_ts).in_(threads),
        )
    ).all()
    for question, similarity in similar.items():
        ran: dict[tuple[str, str], set[str]] = {}
        down: dict[tuple[str, str], int] = {}
        for vote in found:
            if not _is_about(vote, question):
                continue
            reply = (vote.message_ts, vote.version)
            down[reply] = down.get(reply, 0) + (vote.opinion == Mark.DOWN)
            if vote.ran and vote.user_id != question.user_id:
                ran.setdefault(reply, set()).add(vote.user_id)
        for (message_ts, version), users in ran.items():
            if down[message_ts, version] <= len(users):
                yield LikeAnswer(
                    thread=Thread(team=team, channel=question.channel, ts=question.thread_ts),
                    question_ts=question.message_ts,
                    author=question.user_id,
                    message_ts=message_ts,
                    version=version,
                    num_ran=len(users),
                    similarity=similarity,
                )


def _is_about(vote: Row[Any], question: Row[Any]) -> bool:
    """Return whether a vote is on the reply to a question, not on a later one of its thread."""
    if (vote.channel, vote.thread_ts) != (question.channel, question.thread_ts):
        return False
    try:
        facts = json.loads(vote.facts)
    except ValueError:
        return False
    return isinstance(facts, dict) and facts.get("question_ts") == question.message_ts
