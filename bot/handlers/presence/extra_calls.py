"""
Extra calls: what no reply needs, and what not every workspace, plan or app has.

An extra call takes what the budget leaves, and waits for nothing. A refusal of its kind leaves that
kind out of the workspace for an hour. A person never reads of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog
from redis import Redis

from bot.slack.budget import pace_calls
from bot.slack.client import CALL_ERRORS, error_name
from contract import keys
from contract.slack_budget import Priority

log = structlog.get_logger()

LATCHING_ERRORS: Final = frozenset(
    {
        *("missing_scope", "feature_disabled", "not_authorized", "unknown_method"),
        *("not_allowed_token_type", "method_not_supported_for_channel_type", "access_denied"),
        *("not_enabled", "method_deprecated", "no_permission", "restricted_action"),
    }
)
"""Slack's errors by which a workspace or an app without a feature is known."""


class ExtraKind(StrEnum):
    """Kind of an extra call. Each has its latch."""

    STATUS = "status"
    PROMPTS = "prompts"


@dataclass(frozen=True, slots=True)
class ExtraCalls:
    """Extra calls of one team. Methods raise `redis.exceptions.RedisError`."""

    redis: Redis
    team: str

    def is_left_out(self, kind: ExtraKind) -> bool:
        """Return whether the workspace has refused this kind in the last hour."""
        return bool(self.redis.exists(keys.extra_latch(self.team, kind)))

    def try_call(self, kind: ExtraKind, call: Callable[[], None]) -> bool:
        """Make a call if the budget allows it now; return whether Slack took it."""
        if self.is_left_out(kind):
            return False
        try:
            with pace_calls(Priority.BACKGROUND, max_wait=0):
                call()
        except CALL_ERRORS as error:
            name = error_name(error)
            log.info("extra call left out", kind=kind, why=name)
            if name in LATCHING_ERRORS:
                self.redis.set(
                    keys.extra_latch(self.team, kind), 1, ex=keys.EXTRA_LATCH_TTL_SECONDS
                )
            return False
        return True
