"""Channel managers: the people who may change the rules of a channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient

from bot.slack.budget import pace_calls
from contract.slack_budget import Priority


@dataclass(frozen=True, slots=True)
class ChannelManagers:
    """
    Decides by Slack's present answers: nothing is cached, because a right may be withdrawn.

    Slack shows bots no list of a channel's managers. Owners and administrators of the workspace,
    and the person who created the channel, always are among them.
    """

    client: WebClient
    admins: frozenset[str]
    """`STARCHAT_ADMINS`, who need no call."""

    def is_manager(self, team: str, channel: str, user: str) -> bool:
        """Return whether a user may change the rules of a channel. Raises `CALL_ERRORS`."""
        if user in self.admins:
            return True
        with pace_calls(Priority.REPLY, max_wait=0):
            profile = _read_mapping(self.client.users_info(user=user), "user")
            is_member = profile.get("team_id", team) == team and not profile.get("deleted")
            is_guest = profile.get("is_restricted") or profile.get("is_ultra_restricted")
            if not is_member or is_guest or profile.get("is_bot"):
                return False
            if profile.get("is_admin") or profile.get("is_owner"):
                return True
            found = _read_mapping(self.client.conversations_info(channel=channel), "channel")
        return found.get("creator") == user


def _read_mapping(answer: Any, name: str) -> Mapping[str, Any]:
    found = answer.get(name)
    return found if isinstance(found, dict) else {}
