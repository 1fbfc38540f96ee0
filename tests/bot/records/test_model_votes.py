"""Votes by model, in both databases."""

import json
from collections.abc import Mapping
from functools import partial

from bot.messages.votes.model_votes import ModelVotes
from bot.messages.votes.presses import Mark, Press, PressKind
from bot.records.database import Records
from bot.records.model_votes import count_by_model
from bot.records.votes import ReplyKey, VotedReply, add_press

PARSES, BROKEN = {"kind": "parses", "code": "python"}, {"kind": "broken", "code": "python"}


def add_vote(
    records: Records, reply: str, user: str, mark: Mark, facts: Mapping[str, object] | str
) -> None:
    """Store a person's vote on a reply, at the reply's own time."""
    text = facts if isinstance(facts, str) else json.dumps(facts)
    key = ReplyKey("T1", "C1", reply, "0a")
    press = Press(ts=f"{reply}00000", kind=PressKind.TOGGLE, mark=mark)
    records.write(
        partial(add_press, key=key, user=user, press=press, reply=VotedReply("1.0", text))
    )


def test_votes_and_checks_are_counted_by_model(records: Records) -> None:
    """Blocks of a reply count once; old votes and unreadable facts don't count."""
    stable = {"model": "stable", "verdicts": [PARSES, BROKEN]}
    tuned = {"model": "tuned", "revision": "1f", "verdicts": [PARSES]}
    for user, mark in (("U1", Mark.UP), ("U2", Mark.DOWN), ("U3", Mark.RAN)):
        add_vote(records, "20.1", user, mark, tuned)
    add_vote(records, "20.2", "U1", Mark.UP, stable)
    add_vote(records, "20.3", "U1", Mark.DOWN, "{")
    add_vote(records, "10.1", "U1", Mark.UP, stable)

    assert records.read(partial(count_by_model, team="T1", since_ts="15.000000")) == [
        ModelVotes("tuned", "1f", up=1, down=1, ran=1, parsed_blocks=1, blocks=1),
        ModelVotes("stable", "", up=1, down=0, ran=0, parsed_blocks=1, blocks=2),
    ]
    assert records.read(partial(count_by_model, team="T2", since_ts="15.000000")) == []
