"""Slash command as Slack delivers it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """Slash command of a user; `team` is the user's own. `trigger_id` is new for each command."""

    text: str
    team: str
    channel: str
    user: str
    trigger_id: str = ""
