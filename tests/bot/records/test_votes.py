"""Votes in both databases: one row for a person and a reply, without lost updates."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection, select

from bot.messages.votes.presses import Mark, Press, PressKind, Reason, count_vote
from bot.records.database import Records
from bot.records.export import export_votes
from bot.records.tables import voted_replies, votes
from bot.records.votes import (
    ReplyKey,
    VotedReply,
    add_press,
    count_ran,
    drop_old_votes,
    drop_texts,
)

KEY = ReplyKey("T1", "C1", "2.1", "0a")
VERDICTS = [{"kind": "parses", "code": "python"}]
FACTS = {"model": "m", "revision": "r", "temperature": 0.2, "seed": 7, "verdicts": VERDICTS}
REPLY = VotedReply("1.0", json.dumps(FACTS), '[{"role": "user", "text": "hi"}]', "print()")
USERS = ("U1", "U2", "U3")


def press(second: float, mark: Mark = Mark.UP, kind: PressKind = PressKind.TOGGLE) -> Press:
    """A press at a time."""
    return Press(ts=f"{second:.6f}", kind=kind, mark=mark)


def list_votes(connection: Connection) -> list[tuple[str, str | None, bool]]:
    """Return all votes."""
    rows = connection.execute(select(votes.c.user_id, votes.c.opinion, votes.c.ran)).all()
    return sorted((row.user_id, row.opinion, row.ran) for row in rows)


def test_unknown_reply_needs_a_description(records: Records) -> None:
    """The first vote brings the facts, and later ones keep them."""
    assert records.write(partial(add_press, key=KEY, user="U1", press=press(1))) is None
    change = records.write(partial(add_press, key=KEY, user="U1", press=press(1), reply=REPLY))
    assert change is not None
    assert (change.before.opinion, change.after.opinion) == (None, Mark.UP)
    other = VotedReply("9.9", "{}")
    records.write(partial(add_press, key=KEY, user="U2", press=press(2, Mark.RAN), reply=other))

    assert records.read(list_votes) == [("U1", "up", False), ("U2", None, True)]
    assert records.read(partial(count_ran, key=KEY)) == (1, "U2")
    again = records.write(partial(add_press, key=KEY, user="U1", press=press(1)))
    assert again is not None
    assert again.before == again.after


def test_concurrent_presses_are_all_counted(records: Records) -> None:
    """Two bots read, change and write one row at once, in any order and twice."""
    rng = random.Random(5)  # noqa: S311
    presses = {
        user: [press(10 * number, rng.choice(list(Mark))) for number in range(1, 9)]
        for user in USERS
    }
    work = [(user, one) for user, all_of in presses.items() for one in all_of] * 2
    rng.shuffle(work)

    def store(vote: tuple[str, Press]) -> None:
        use = partial(add_press, key=KEY, user=vote[0], press=vote[1], reply=REPLY)
        records.write(use, max_seconds=120)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(store, work))
    expected = {user: count_vote(all_of) for user, all_of in presses.items()}

    assert records.read(list_votes) == [(u, v.opinion, v.ran) for u, v in expected.items()]


def test_export_has_the_votes_since_a_time(records: Records) -> None:
    """Conversation, reply, sampling and checks; withdrawn votes and other replies are left out."""
    reason = Press(ts="20.000000", kind=PressKind.REASON, reason=Reason.BROKEN)
    for one in (press(20, Mark.DOWN), reason):
        records.write(partial(add_press, key=KEY, user="U1", press=one, reply=REPLY))
    for one in (press(30), press(40)):
        records.write(partial(add_press, key=KEY, user="U2", press=one))
    older = ReplyKey("T1", "C1", "1.1", "")
    records.write(partial(add_press, key=older, user="U3", press=press(10), reply=REPLY))
    [line] = map(json.loads, export_votes(records, "15"))

    assert line == {
        "team": "T1",
        "channel": "C1",
        "message_ts": "2.1",
        "version": "0a",
        "thread_ts": "1.0",
        "conversation": [{"role": "user", "text": "hi"}],
        "reply": "print()",
        "model": "m",
        "revision": "r",
        "sampling": {
            "temperature": 0.2,
            "top_k": None,
            "top_p": None,
            "max_new_tokens": None,
            "seed": 7,
        },
        "checks": "python: parses",
        "votes": [
            {
                "user": "U1",
                "opinion": "down",
                "reason": "broken",
                "ran": False,
                "voted_at": "20.000000",
            }
        ],
    }
    assert len(list(export_votes(records, "0"))) == 2


def test_texts_of_an_old_reply_are_dropped(records: Records) -> None:
    """A later vote does not keep them, but those of a newer reply."""
    newer = replace(KEY, message_ts="20.0")
    for key in (KEY, newer):
        records.write(partial(add_press, key=key, user="U1", press=press(30), reply=REPLY))

    assert records.write(partial(drop_old_votes, before_ts="20.0")) == 0
    lines = map(json.loads, export_votes(records, "0"))
    assert sorted((line["message_ts"], line["reply"], len(line["votes"])) for line in lines) == [
        ("2.1", None, 1),
        ("20.0", "print()", 1),
    ]


def test_texts_and_old_votes_are_dropped(records: Records) -> None:
    """The texts of a thread go alone; a reply goes with its last vote."""
    records.write(partial(add_press, key=KEY, user="U1", press=press(20), reply=REPLY))
    records.write(partial(drop_texts, team="T1", channel="C1", thread_ts="1.0"))
    [line] = map(json.loads, export_votes(records, "0"))
    assert (line["conversation"], line["reply"], len(line["votes"])) == (None, None, 1)

    assert records.write(partial(drop_old_votes, before_ts="20.0")) == 0
    assert records.write(partial(drop_old_votes, before_ts="21.0")) == 1
    assert records.read(lambda c: c.execute(voted_replies.select()).all()) == []
