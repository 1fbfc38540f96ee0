"""Authorship of a Slack message: only the app's own messages may be adopted, edited or deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AppAuthor:
    """The app as an author: its bot user's id and its bot id, as `auth.test` returns them."""

    user_id: str
    bot_id: str

    def is_author_of(self, raw: Mapping[str, Any]) -> bool:
        """
        Return whether the app wrote a message of Slack's.

        Anyone can post metadata that looks like the app's; Slack alone sets the author.
        """
        return any(
            own_id and raw.get(field) == own_id
            for field, own_id in (("user", self.user_id), ("bot_id", self.bot_id))
        )
