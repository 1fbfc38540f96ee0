"""Members of channels: who is in one now, by Slack's own list."""

from dataclasses import dataclass
from typing import Any, Final

from slack_sdk import WebClient

from bot.slack.budget import pace_calls
from contract.slack_budget import Priority

MEMBERS_PER_PAGE: Final = 1_000
MAX_PAGES: Final = 20
"""Pages of one look: a person beyond the first 20,000 members counts as none."""


@dataclass(frozen=True, slots=True)
class ChannelMembers:
    """Reader of members. Nothing is cached, because a person may leave at any time."""

    client: WebClient

    def find_members(self, channel: str, users: frozenset[str]) -> frozenset[str]:
        """Return the users who are in a channel. Raises `bot.slack.client.CALL_ERRORS`."""
        found: set[str] = set()
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            with pace_calls(Priority.REPLY, max_wait=0, max_page_wait=1.0):
                answer: Any = self.client.conversations_members(
                    channel=channel, limit=MEMBERS_PER_PAGE, cursor=cursor
                )
            found |= users.intersection(answer.get("members") or ())
            before, cursor = cursor, (answer.get("response_metadata") or {}).get("next_cursor")
            if found == users or not cursor or cursor == before:
                break
        return frozenset(found)
