"""
Token buckets for Slack's rate limits: one per Web API method and workspace.

They lie in Redis and follow Redis' clock, so that all workers share one budget.
"""

from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from contract import keys
from worker import scripts

MAX_SLEEP_SECONDS: Final = 60.0
"""Seconds after which a caller that waits for a token looks at the bucket again."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Capacity of a token bucket: `burst` calls at once, `per_minute` calls in the long run."""

    burst: int
    per_minute: float
    reserved_for_finals: int = 0
    """Tokens of the burst that edits of a streaming reply must leave for final messages."""


class TokenBuckets:
    """Token buckets of all methods and workspaces."""

    def __init__(self, connection: Redis) -> None:
        """Use `connection`."""
        self._take_token_script = connection.register_script(scripts.TAKE_TOKEN)

    async def acquire(self, key: str, limit: RateLimit, *, is_final: bool) -> float:
        """Take one token. Return 0 if it is granted, else the seconds to wait."""
        return await self._run_script(key, limit, 0 if is_final else limit.reserved_for_finals, 0)

    async def block_for(self, key: str, limit: RateLimit, seconds: float) -> None:
        """Grant no token for `seconds`, as Slack's `Retry-After` demands."""
        await self._run_script(key, limit, 0, max(1, round(seconds * 1000)))

    async def _run_script(self, key: str, limit: RateLimit, reserved: int, block_ms: int) -> float:
        tokens_per_second = limit.per_minute / 60
        arguments = [limit.burst, tokens_per_second, reserved, block_ms]
        return int(await self._take_token_script(keys=[key], args=arguments)) / 1000


def bucket_key(team: str, method: str, channel: str | None = None) -> str:
    """Return the key of a bucket; with `channel`, the bucket of that channel alone."""
    return keys.rate_limit(team, f"{method}:{channel}" if channel else method)
