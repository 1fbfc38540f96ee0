"""Votes and checks by model, for a comparison of a canary with the present one."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Connection, select

from bot.messages.votes.model_votes import ModelVotes
from bot.messages.votes.presses import Mark
from bot.records.tables import voted_replies, votes
from contract.code_verdicts import VerdictKind
from contract.reply_details import ReplyDetails

KEY: Final = ("team", "channel", "message_ts", "version")
PARSES: Final = frozenset({VerdictKind.PARSES, VerdictKind.GUESSED})
MAX_READ_VOTES: Final = 5_000
"""Newest votes that are counted; the Home tab is no report."""
MAX_SHOWN_MODELS: Final = 5


def count_by_model(connection: Connection, team: str, since_ts: str) -> list[ModelVotes]:
    """Count a team's votes since a Slack timestamp; the model with the most votes comes first."""
    same_reply = [votes.c[name] == voted_replies.c[name] for name in KEY]
    columns = [*(votes.c[name] for name in KEY), votes.c.opinion, votes.c.ran]
    rows: Sequence[Any] = connection.execute(
        select(*columns, voted_replies.c.facts)
        .where(*same_reply, votes.c.team == team, votes.c.voted_at >= since_ts)
        .order_by(votes.c.voted_at.desc())
        .limit(MAX_READ_VOTES)
    ).all()
    return list(_sum_up(rows))


def _sum_up(rows: Iterable[Any]) -> Iterator[ModelVotes]:
    marks: dict[tuple[str, str], Counter[str]] = {}
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        try:
            details = ReplyDetails.model_validate_json(row.facts)
        except ValidationError:
            continue
        counts = marks.setdefault((details.model, details.revision), Counter())
        counts["votes"] += 1
        counts["up"] += row.opinion == Mark.UP
        counts["down"] += row.opinion == Mark.DOWN
        counts["ran"] += row.ran
        reply = tuple(getattr(row, name) for name in KEY)
        if reply not in seen:
            seen.add(reply)
            counts["blocks"] += sum(v.blocks for v in details.verdicts if v.is_parsed)
            counts["parsed"] += sum(v.blocks for v in details.verdicts if v.kind in PARSES)
    ranked = sorted(marks, key=lambda name: (-marks[name]["votes"], name))
    for name in ranked[:MAX_SHOWN_MODELS]:
        counts = marks[name]
        numbers = (counts[key] for key in ("up", "down", "ran", "parsed", "blocks"))
        yield ModelVotes(*name, *numbers)
