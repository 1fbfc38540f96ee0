"""The bot's connection to Redis, which gives up well before Slack's three seconds are over."""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

COMMAND_TIMEOUT_SECONDS: Final = 1.0
"""Seconds that one try at one command may take; there are two."""
RETRY_DELAYS_SECONDS: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of what nobody waits for."""

Result = TypeVar("Result")


def connect_redis(url: str) -> Redis:
    """Return a client that bots' threads may share. It connects when it is first used."""
    return Redis.from_url(
        url,
        socket_timeout=COMMAND_TIMEOUT_SECONDS,
        socket_connect_timeout=COMMAND_TIMEOUT_SECONDS,
        health_check_interval=30,
        # One more try, because a connection may die under a command; every one of ours may be
        # sent twice without harm.
        retry=Retry(NoBackoff(), 1),
    )


def retry_redis(
    call: Callable[[], Result], delays: Sequence[float] = RETRY_DELAYS_SECONDS
) -> Result:
    """Make a call that may be made twice until Redis answers, for what nobody waits for."""
    for pause in delays:
        try:
            return call()
        except RedisError:
            time.sleep(pause)
    return call()


def decode_reply(reply: bytes | str) -> str:
    """Return a reply of Redis as text, whatever the client was told about decoding."""
    return reply.decode() if isinstance(reply, bytes) else reply
