"""One budget per Web API method and workspace, in Redis, shared by all workers."""

from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from contract import keys
from worker import scripts


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How often a method may be called: `burst` at once, `per_minute` in the long run."""

    burst: int
    per_minute: float
    reserved_for_finals: int = 0
    """Calls of the burst that only finals may take."""


class TokenBuckets:
    """Takes calls from budgets. Redis' clock counts, so all workers see the same budget."""

    def __init__(self, connection: Redis) -> None:
        """Use `connection`."""
        self._take_token_script = connection.register_script(scripts.TAKE_TOKEN)

    async def acquire(self, key: str, limit: RateLimit, *, is_final: bool) -> float:
        """Take one call; returns the seconds to wait before trying again, 0 if it is granted."""
        return await self._run_script(key, limit, 0 if is_final else limit.reserved_for_finals, 0)

    async def block_for(self, key: str, limit: RateLimit, seconds: float) -> None:
        """Let nobody call for `seconds`: Slack has said so."""
        await self._run_script(key, limit, 0, max(1, round(seconds * 1000)))

    async def _run_script(self, key: str, limit: RateLimit, reserved: int, block_ms: int) -> float:
        tokens_per_second = limit.per_minute / 60
        return (
            int(
                await self._take_token_script(
                    keys=[key], args=[limit.burst, tokens_per_second, reserved, block_ms]
                )
            )
            / 1000
        )


def bucket_key(team: str, method: str, channel: str | None = None) -> str:
    """Return the key of a budget; posting has one per channel, as Slack counts it there."""
    return keys.rate_limit(team, f"{method}:{channel}" if channel else method)


MAX_SLEEP_SECONDS: Final = 60.0
"""Longest time, in seconds, that one sleep for a budget lasts before it is looked at again."""
