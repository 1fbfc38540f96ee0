"""
Budget for Slack: the rate limit of each Web API method, and the priorities of its callers.

Slack counts calls by method and workspace, and posts by channel too
(https://docs.slack.dev/apis/web-api/rate-limits). Every process takes each call from the same token
buckets, which lie in Redis. If Redis is away, a process uses local buckets.
"""

import math
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Final

from contract import keys


class Priority(Enum):
    """Importance of a call; the value is the share of each burst that it leaves to others."""

    FINAL = 0.0
    """Finished replies and errors."""
    REPLY = 0.25
    """What a reply needs before: thread reads, names, placeholders of running jobs."""
    BACKGROUND = 0.5
    """Streaming edits, notices, placeholders of waiting jobs, backfill, the Home tab."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Capacity of a token bucket: `burst` calls at once, `per_minute` calls in the long run."""

    burst: int
    per_minute: float


# Slack allows the calls of a tier within any minute. A bucket grants at most a burst and a minute's
# refill in that time, so their sum stays below the tier.
TIER_2: Final = RateLimit(6, 12)
"""At least 20 calls a minute."""
TIER_3: Final = RateLimit(14, 34)
"""At least 50 calls a minute."""
TIER_4: Final = RateLimit(30, 65)
"""At least 100 calls a minute."""
POSTS_IN_WORKSPACE: Final = RateLimit(60, 240)
"""Slack allows an app several hundred posts a minute in one workspace."""
POSTS_IN_CHANNEL: Final = RateLimit(3, 54)
"""Slack allows one post a second in each channel, with short bursts."""

RATE_LIMITS: Final = {
    "agents.sessions.rename": TIER_3,
    "agents.sessions.setStatus": TIER_3,
    "assistant.threads.setStatus": TIER_3,
    "assistant.threads.setSuggestedPrompts": TIER_4,
    "chat.delete": TIER_3,
    "chat.postEphemeral": TIER_4,
    "chat.postMessage": POSTS_IN_WORKSPACE,
    "chat.update": TIER_3,
    "chat.getPermalink": TIER_4,
    "conversations.history": TIER_3,
    "conversations.info": TIER_3,
    "conversations.members": TIER_4,
    "conversations.open": TIER_3,
    "conversations.replies": TIER_3,
    "files.completeUploadExternal": TIER_4,
    "files.download": TIER_4,
    "files.delete": TIER_3,
    "files.getUploadURLExternal": TIER_4,
    "files.info": TIER_4,
    "reactions.add": TIER_3,
    "reactions.remove": TIER_2,
    "users.conversations": TIER_3,
    "usergroups.users.list": TIER_2,
    "users.info": TIER_4,
    "views.open": TIER_4,
    "views.publish": TIER_4,
    "views.update": TIER_4,
}
"""
Rate limit of each method by Slack's tiers; `DEFAULT_RATE_LIMIT` applies to other methods.

`files.download` is no method: Slack publishes no limit for downloads of files.
"""
DEFAULT_RATE_LIMIT: Final = TIER_2

UNLIMITED_METHODS: Final = frozenset({"apps.connections.open", "auth.test"})
"""Methods that connect the app. They are called rarely, and before the workspace is known."""
POSTING_METHODS: Final = frozenset({"chat.postEphemeral", "chat.postMessage"})
"""Methods that Slack counts by channel as well."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Token bucket of a call: its key in Redis and its limit."""

    key: str
    limit: RateLimit


Buckets = tuple[Bucket, ...]


def find_buckets(team: str, method: str, channel: str | None = None) -> Buckets:
    """Return the buckets of a call; none if its method is unlimited."""
    if method in UNLIMITED_METHODS:
        return ()
    limit = RATE_LIMITS.get(method, DEFAULT_RATE_LIMIT)
    by_method = Bucket(keys.rate_limit(team, method), limit)
    if not channel or method not in POSTING_METHODS:
        return (by_method,)
    return by_method, Bucket(keys.rate_limit(team, f"posts:{channel}"), POSTS_IN_CHANNEL)


def acquire_arguments(buckets: Buckets, priority: Priority) -> tuple[list[str], list[float]]:
    """Return the keys and arguments of `TAKE_TOKEN` that take a token from each bucket."""
    return [bucket.key for bucket in buckets], [priority.value, 0, *_limit_arguments(buckets)]


def block_arguments(buckets: Buckets, seconds: float) -> tuple[list[str], list[float]]:
    """Return the keys and arguments of `TAKE_TOKEN` that block each bucket for `seconds`."""
    # Rounded up: a call must never precede the end of `Retry-After`.
    milliseconds = max(1, math.ceil(seconds * 1000))
    return [bucket.key for bucket in buckets], [0, milliseconds, *_limit_arguments(buckets)]


def _limit_arguments(buckets: Buckets) -> list[float]:
    return [
        number
        for bucket in buckets
        for number in (bucket.limit.burst, bucket.limit.per_minute / 60)
    ]


@dataclass(slots=True)
class _LocalState:
    tokens: float
    updated_at: float
    blocked_until: float = 0.0


class LocalBuckets:
    """Token buckets of this process alone, for a time without Redis. Thread-safe."""

    def __init__(self) -> None:
        self._states: dict[str, _LocalState] = {}
        self._lock = threading.Lock()

    def acquire(self, buckets: Buckets, priority: Priority, now: float) -> float:
        """Take a token from each bucket at `now` (s); return 0, or the seconds to wait."""
        with self._lock:
            states = [self._refill(bucket, now) for bucket in buckets]
            wait = max(
                (
                    _seconds_to_wait(bucket.limit, state, priority, now)
                    for bucket, state in zip(buckets, states, strict=True)
                ),
                default=0.0,
            )
            if not wait:
                for state in states:
                    state.tokens -= 1
            return wait

    def block(self, buckets: Buckets, seconds: float, now: float) -> None:
        """Grant no token for `seconds` from `now` (s) on."""
        with self._lock:
            for bucket in buckets:
                state = self._refill(bucket, now)
                state.blocked_until = max(state.blocked_until, now + seconds)

    def _refill(self, bucket: Bucket, now: float) -> _LocalState:
        limit = bucket.limit
        state = self._states.setdefault(bucket.key, _LocalState(limit.burst, now))
        refilled = state.tokens + (now - state.updated_at) * limit.per_minute / 60
        state.tokens, state.updated_at = min(limit.burst, refilled), now
        return state


def _seconds_to_wait(limit: RateLimit, state: _LocalState, priority: Priority, now: float) -> float:
    missing = 1 + priority.value * limit.burst - state.tokens
    return max(0.0, state.blocked_until - now, missing * 60 / limit.per_minute)
