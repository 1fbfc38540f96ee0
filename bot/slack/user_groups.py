"""User groups: the members of each, cached in the process with an age."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from slack_sdk import WebClient

from bot.slack.budget import pace_calls
from bot.slack.client import (
    CALL_ERRORS,
    AppRefusedError,
    error_name,
    is_refusal,
    rate_limit_seconds,
)
from bot.store.client import NotCachedError
from contract.slack_budget import Priority

log = structlog.get_logger()

MEMBERS_AGE_SECONDS: Final = 300.0
"""Age after which the members of a group are read again: someone who left may ask until then."""
UNREADABLE_AGE_SECONDS: Final = 60.0
"""Age after which a group that could not be read is tried again."""
MAX_CACHED_GROUPS: Final = 1_000


class GroupUnreadableError(Exception):
    """Slack does not show the group to the bot: it is gone, disabled, or a scope is missing."""


@dataclass(frozen=True, slots=True)
class _CachedGroup:
    """Members as read at `read_at` (s, monotonic); `None` for an unreadable group."""

    members: frozenset[str] | None
    read_at: float


@dataclass(slots=True)
class UserGroups:
    """Members of user groups, by `usergroups.users.list`. Thread-safe."""

    client: WebClient
    clock: Callable[[], float] = time.monotonic
    _groups: dict[str, _CachedGroup] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read_members(self, group: str, *, cached_only: bool = False) -> frozenset[str]:
        """
        Return the ids of a group's members.

        Raises `GroupUnreadableError`, and `CALL_ERRORS` if a repetition may succeed. With
        `cached_only`, raises `NotCachedError` if a call is necessary.
        """
        cached = self._find_cached_members(group)
        if cached is None:
            if cached_only:
                raise NotCachedError
            cached = self._fetch_group(group)
        if cached.members is None:
            raise GroupUnreadableError
        return cached.members

    def _find_cached_members(self, group: str) -> _CachedGroup | None:
        with self._lock:
            cached = self._groups.get(group)
        if cached is None:
            return None
        max_age = UNREADABLE_AGE_SECONDS if cached.members is None else MEMBERS_AGE_SECONDS
        return cached if self.clock() - cached.read_at < max_age else None

    def _fetch_group(self, group: str) -> _CachedGroup:
        started = self.clock()
        try:
            with pace_calls(Priority.REPLY):
                answer: Any = self.client.usergroups_users_list(usergroup=group)
        except AppRefusedError:
            raise
        except CALL_ERRORS as error:
            if not is_refusal(error) or rate_limit_seconds(error) is not None:
                raise
            log.warning("user group not readable", group=group, why=error_name(error))
            found = _CachedGroup(None, started)
        else:
            users = answer.get("users")
            members = frozenset(map(str, users if isinstance(users, list) else ()))
            found = _CachedGroup(members, started)
        with self._lock:
            if len(self._groups) >= MAX_CACHED_GROUPS:
                self._groups.clear()
            self._groups[group] = found
        return found
