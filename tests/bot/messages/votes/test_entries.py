"""Entries of the outbox of votes, and the reactions that become votes."""

import pytest

from bot.messages.event_parser import parse_event
from bot.messages.events import DeletionReaction, Ignored, StopReaction, VoteReaction
from bot.messages.votes.entries import (
    MAX_ENTRY_CHARACTERS,
    CastVote,
    DropRecords,
    decode_entry,
)
from bot.messages.votes.presses import Mark, Press, PressKind
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, make_body, message_ts

VOTE = CastVote(
    channel="C1",
    thread_ts="",
    message_ts="2.0",
    version=None,
    user="U1",
    press=Press(ts="10.0", kind=PressKind.TOGGLE, mark=Mark.UP),
    queued_at=1.5,
)


def react(name: str = "+1", kind: str = "reaction_added", **more: object) -> object:
    """Return what the bot reads of Ada's reaction to its own message."""
    item = {"type": "message", "channel": CHANNEL, "ts": message_ts(2)}
    event: dict[str, object] = {"type": kind, "user": ADA, "reaction": name, "item": item}
    event |= {"event_ts": message_ts(9), "item_user": BOT_IDENTITY.user_id} | more
    return parse_event(make_body(event), BOT_IDENTITY)


def test_outbox_entries_are_validated() -> None:
    """Redis may hold anything."""
    drop = DropRecords(channel="C1", thread_ts="1.0", texts_only=True, queued_at=1.5)
    for entry in (VOTE, drop):
        assert decode_entry(entry.model_dump_json()) == entry
    valid = VOTE.model_dump_json()
    for text in (
        *("", "{}", "[]", '{"type": "other"}', valid.replace("U1", "<!channel>")),
        *(valid.replace("1.5", "NaN"), valid.replace("2.0", "x"), valid.replace("up", "pickle")),
        valid + " " * MAX_ENTRY_CHARACTERS,
    ):
        with pytest.raises(ValueError, match=r"^not an entry of the outbox$"):
            decode_entry(text)


@pytest.mark.parametrize(
    ("name", "is_positive"), [("+1", True), ("-1::skin-tone-3", False), ("thumbsdown", False)]
)
def test_thumbs_on_own_messages_are_votes(name: str, is_positive: bool) -> None:  # noqa: FBT001
    """In every skin tone, added or removed."""
    for kind, is_removed in (("reaction_added", False), ("reaction_removed", True)):
        assert react(name, kind) == VoteReaction(
            channel=CHANNEL,
            ts=message_ts(2),
            user=ADA,
            is_positive=is_positive,
            is_removed=is_removed,
            reacted_at=message_ts(9),
        )


def test_other_reactions_are_no_votes() -> None:
    """Neither those to people's messages, nor other emoji, nor malformed events."""
    assert isinstance(react("octagonal_sign"), StopReaction)
    assert react("octagonal_sign", "reaction_removed") == Ignored()
    found = react("wastebasket")
    assert found == DeletionReaction(channel=CHANNEL, ts=message_ts(2), user=ADA)
    assert react("wastebasket", "reaction_removed") == Ignored()
    assert react("wastebasket", item_user=ADA) == Ignored()
    assert react(item_user=ADA) == react("tada") == react(item={"type": "file"}) == Ignored()
    assert react(event_ts="x") == react(user="<!channel>") == Ignored(readable=False)
