"""Who the bot is in the workspace that it is installed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """The bot as Slack knows it: its team, its user and bot ids, and the name people see."""

    team: str
    user_id: str
    bot_id: str
    name: str

    def is_author_of(self, raw: Mapping[str, Any]) -> bool:
        """Say whether a message, as Slack delivers it, is the bot's own."""
        return raw.get("user") == self.user_id or raw.get("bot_id") == self.bot_id
