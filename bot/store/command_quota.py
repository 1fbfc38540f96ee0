"""Command quota: how many commands of one user run within a minute."""

from dataclasses import dataclass
from typing import Final

from redis import Redis

from contract import keys

SECONDS_PER_MINUTE: Final = 60
MAX_COMMANDS_PER_MINUTE: Final = 10
"""Commands of one user within a minute; each deletes data or posts a message."""


@dataclass(frozen=True, slots=True)
class CommandQuota:
    """Counts the commands of each user of a team. Methods raise `RedisError`."""

    redis: Redis
    team: str

    def take_command(self, user: str) -> bool:
        """Count a command of a user, from 0 again every minute; return whether it may run."""
        key = keys.command_quota(self.team, user)
        with self.redis.pipeline() as pipe:
            pipe.set(key, 0, nx=True, ex=SECONDS_PER_MINUTE)
            pipe.incr(key)
            _, commands = pipe.execute()
        return int(commands) <= MAX_COMMANDS_PER_MINUTE
