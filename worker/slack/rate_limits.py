"""One budget per Web API method and workspace, in Redis, shared by all workers."""

from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from contract import keys
from worker import scripts


@dataclass(frozen=True, slots=True)
class Budget:
    """How often a method may be called: `burst` at once, `per_minute` in the long run."""

    burst: int
    per_minute: float
    reserve: int = 0
    """Calls of the burst that only finals may take."""


class Rates:
    """Takes calls from budgets. Redis' clock counts, so all workers see the same budget."""

    def __init__(self, connection: Redis) -> None:
        """Use `connection`."""
        self._take = connection.register_script(scripts.TAKE)

    async def take(self, key: str, budget: Budget, *, final: bool) -> float:
        """Take one call; returns the seconds to wait before trying again, 0 if it is granted."""
        return await self._run(key, budget, 0 if final else budget.reserve, 0)

    async def freeze(self, key: str, budget: Budget, seconds: float) -> None:
        """Let nobody call for `seconds`: Slack has said so."""
        await self._run(key, budget, 0, max(1, round(seconds * 1000)))

    async def _run(self, key: str, budget: Budget, reserve: int, freeze: int) -> float:
        pace = budget.per_minute / 60
        return int(await self._take(keys=[key], args=[budget.burst, pace, reserve, freeze])) / 1000


def budget_key(team: str, method: str, channel: str | None = None) -> str:
    """Return the key of a budget; posting has one per channel, as Slack counts it there."""
    return keys.rate_limit(team, f"{method}:{channel}" if channel else method)


MOST_WAIT: Final = 60.0
"""Longest time, in seconds, that one sleep for a budget lasts before it is looked at again."""
