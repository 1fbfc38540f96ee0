"""Token buckets for Slack's rate limits, in Redis: all processes share one budget."""

from typing import Final

from redis.asyncio import Redis

from contract.scripts import TAKE_TOKEN
from contract.slack_budget import Buckets, Priority, acquire_arguments, block_arguments

MAX_SLEEP_SECONDS: Final = 60.0
"""Seconds after which a caller that waits for a token looks at the bucket again."""


class TokenBuckets:
    """Token buckets of all methods and workspaces. Methods raise `RedisError`."""

    def __init__(self, connection: Redis) -> None:
        """Use `connection`."""
        self._take_token_script = connection.register_script(TAKE_TOKEN)

    async def acquire(self, buckets: Buckets, priority: Priority) -> float:
        """Take a token from each bucket. Return 0 if they are granted, else the seconds to wait."""
        return await self._run_script(*acquire_arguments(buckets, priority))

    async def block_for(self, buckets: Buckets, seconds: float) -> None:
        """Grant no token for `seconds`, as Slack's `Retry-After` demands."""
        await self._run_script(*block_arguments(buckets, seconds))

    async def _run_script(self, bucket_keys: list[str], arguments: list[float]) -> float:
        return int(await self._take_token_script(keys=bucket_keys, args=arguments)) / 1000
