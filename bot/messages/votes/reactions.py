"""Reactions: 🛑 asks to stop a reply, 🗑 to delete it, 👍 and 👎 are votes on it."""

from typing import Final

from bot.messages.content.json_fields import Json, get_mapping, get_text
from bot.messages.events import DeletionReaction, Ignored, StopReaction, VoteReaction
from bot.messages.message import BotIdentity

STOP_REACTION: Final = "octagonal_sign"
"""Name of the emoji 🛑."""
DELETION_REACTION: Final = "wastebasket"
"""Name of the emoji 🗑."""
VOTE_REACTIONS: Final = {"+1": True, "thumbsup": True, "-1": False, "thumbsdown": False}
"""Names of the emoji 👍 and 👎, and whether the vote is positive."""


def parse_reaction(
    event: Json, team: str, identity: BotIdentity
) -> StopReaction | DeletionReaction | VoteReaction | Ignored:
    """Parse `reaction_added` or `reaction_removed`. Raises `KeyError` and `ValidationError`."""
    item, is_removed = get_mapping(event, "item"), event["type"] == "reaction_removed"
    # An emoji with a skin tone is `name::skin-tone-2`.
    name = get_text(event, "reaction").partition("::")[0]
    if item.get("type") != "message":
        return Ignored()
    if name == STOP_REACTION and not is_removed:
        return StopReaction(team=team, channel=item["channel"], ts=item["ts"], user=event["user"])
    if event.get("item_user") != identity.user_id:
        return Ignored()
    if name == DELETION_REACTION and not is_removed:
        return DeletionReaction(channel=item["channel"], ts=item["ts"], user=event["user"])
    if name not in VOTE_REACTIONS:
        return Ignored()
    return VoteReaction(
        channel=item["channel"],
        ts=item["ts"],
        user=event["user"],
        is_positive=VOTE_REACTIONS[name],
        is_removed=is_removed,
        reacted_at=event["event_ts"],
    )
