"""Who the bot is in the workspace that it is installed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Me:
    """The bot as Slack knows it: its team, its user and bot ids, and the name people see."""

    team: str
    user: str
    bot: str
    name: str

    def wrote(self, raw: Mapping[str, Any]) -> bool:
        """Say whether a message, as Slack delivers it, is the bot's own."""
        return raw.get("user") == self.user or raw.get("bot_id") == self.bot
