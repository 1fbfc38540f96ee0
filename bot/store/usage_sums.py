"""Usage sums: what replies of a day or a week used, as the workers have counted it in Redis."""

from collections.abc import Sequence
from typing import Any

from redis import Redis

from bot.store.client import decode_reply, read_clock
from contract.usage import SECONDS_PER_DAY, Usage, name_days, sum_days


class UsageSums:
    """Reads sums by their prefixes in `contract.keys`. Methods raise `RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def count_days(self) -> int:
        """Return the number of the present UTC day since 1970, by Redis' clock."""
        return int(read_clock(self._redis) // SECONDS_PER_DAY)

    def read_day(self, prefix: str, day: int) -> Usage:
        """Return the sums of one day."""
        return sum_days(self._read_hashes([f"{prefix}:{day}"]))

    def read_week(self, prefix: str, today: int) -> Usage:
        """Return the sums of the last seven days, today included."""
        return sum_days(self._read_hashes(name_days(prefix, today)))

    def _read_hashes(self, names: Sequence[str]) -> list[dict[str, str]]:
        with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(name)
            found: list[dict[Any, Any]] = pipe.execute()
        return [
            {decode_reply(field): decode_reply(value) for field, value in day.items()}
            for day in found
        ]
