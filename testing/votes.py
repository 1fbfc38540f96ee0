"""Votes in the database, stored without a bot."""

from functools import partial

from bot.messages.votes.presses import Mark, Press, PressKind
from bot.records.database import Records
from bot.records.votes import ReplyKey, VotedReply, add_press


def store_vote(records: Records, team: str) -> None:
    """Store a vote of a team, with the texts of its reply."""
    press = Press(ts="1.000000", kind=PressKind.TOGGLE, mark=Mark.UP)
    reply = VotedReply("1.0", "{}", "[]", "x = 1")
    key = ReplyKey(team, "C1", "2.1", "0a")
    records.write(partial(add_press, key=key, user="U1", press=press, reply=reply))
