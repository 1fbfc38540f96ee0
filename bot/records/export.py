"""Export of the votes: one JSON object for each version of a reply that people have voted on."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection, Row, select, tuple_

from bot.records.database import Records
from bot.records.tables import voted_replies, votes
from contract.code_verdicts import describe_verdicts
from contract.language import Language
from contract.reply_details import ReplyDetails

REPLIES_PER_PAGE: Final = 200
"""Replies of one transaction, which has a time limit."""
KEY: Final = ("team", "channel", "message_ts", "version")
SAMPLING: Final = ("temperature", "top_k", "top_p", "max_new_tokens", "seed")


def export_votes(records: Records, since_ts: str) -> Iterator[str]:
    """
    Yield a line of JSON for each reply with a vote at or after a Slack timestamp.

    Withdrawn votes are left out. Raises `RecordsUnavailableError`.
    """
    last: tuple[str, ...] = ("", "", "", "")
    while page := records.read(partial(_read_page, since_ts=since_ts, after=last)):
        yield from (json.dumps(line) for _, line in page if line["votes"])
        last = page[-1][0]


def _read_page(
    connection: Connection, since_ts: str, after: tuple[str, ...]
) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    key = tuple_(*(voted_replies.c[name] for name in KEY))
    replies = connection.execute(
        select(voted_replies).where(key > after).order_by(*key).limit(REPLIES_PER_PAGE)
    ).all()
    if not replies:
        return []
    voted = tuple_(*(votes.c[name] for name in KEY))
    bounds = _read_key(replies[0]), _read_key(replies[-1])
    found: dict[tuple[str, ...], list[Row[Any]]] = {}
    for vote in connection.execute(
        select(votes)
        .where(voted >= bounds[0], voted <= bounds[1], votes.c.voted_at >= since_ts)
        .order_by(votes.c.voted_at, votes.c.user_id)
    ):
        found.setdefault(_read_key(vote), []).append(vote)
    keys = map(_read_key, replies)
    return [
        (key, _build_line(reply, found.get(key, [])))
        for key, reply in zip(keys, replies, strict=True)
    ]


def _read_key(row: Row[Any]) -> tuple[str, ...]:
    return tuple(getattr(row, name) for name in KEY)


def _describe_checks(facts: str) -> str:
    """Return the verdicts of the code checks as one line, in English: programs read it."""
    try:
        details = ReplyDetails.model_validate_json(facts)
    except ValidationError:
        return ""
    verdicts = describe_verdicts(details.verdicts, details.verdicts_left_out)
    return verdicts.translate(Language.ENGLISH)


def _build_line(reply: Row[Any], found: list[Row[Any]]) -> dict[str, Any]:
    facts = json.loads(reply.facts)
    return {
        **{name: getattr(reply, name) for name in (*KEY, "thread_ts")},
        "conversation": None if reply.conversation is None else json.loads(reply.conversation),
        "reply": reply.reply,
        "model": facts.get("model", ""),
        "revision": facts.get("revision", ""),
        "sampling": {name: facts.get(name) for name in SAMPLING},
        "checks": _describe_checks(reply.facts),
        "votes": [
            {
                "user": vote.user_id,
                "opinion": vote.opinion,
                "reason": vote.reason,
                "ran": vote.ran,
                "voted_at": vote.voted_at,
            }
            for vote in found
            if vote.opinion is not None or vote.ran
        ],
    }
