"""Redis client whose timeouts fit into the 3 s that Slack waits for an acknowledgement."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry

from contract.base_settings import REDIS_CLUSTER_ERROR
from contract.scripts import SET_ASIDE
from contract.settings import SettingsError

COMMAND_TIMEOUT_SECONDS: Final = 1.0
"""Timeout of one attempt at a command; there are two attempts."""
RETRY_DELAYS_SECONDS: Final = (0.5, 1.0, 2.0, 4.0)
"""Delays between attempts in background tasks."""

DRIVER_INFO: Final = DriverInfo()
"""Read once: redis-py would open a file for each connection, also when no descriptor is left."""

KEY_PREFIXES: Final = ("starchat:", "rq:")

Result = TypeVar("Result")

log = structlog.get_logger()


class RepairingRedis(Redis):
    """Client that sets a key of a wrong type aside, and repeats the command that met it."""

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """See `Redis`."""
        try:
            return super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            found = [a for a in arguments[1:] if isinstance(a, str) and a.startswith(KEY_PREFIXES)]
            if not set(found) & set(self._set_aside(found)):
                raise
        log.error("key of a wrong type met", command=arguments[0])
        return super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]

    def _set_aside(self, names: list[str]) -> list[str]:
        found = self.eval(SET_ASIDE, len(names), *names, "0")
        return [decode_reply(name) for name in found]


class NotCachedError(Exception):
    """Redis does not hold what is needed; Slack has to be asked."""


def connect_redis(url: str) -> Redis:
    """Create a thread-safe client, which connects on first use."""
    return RepairingRedis.from_url(
        url,
        socket_timeout=COMMAND_TIMEOUT_SECONDS,
        socket_connect_timeout=COMMAND_TIMEOUT_SECONDS,
        health_check_interval=30,
        # One retry, for a connection that died; all commands of the bot are idempotent.
        retry=Retry(NoBackoff(), 1),
        # After a failover, the connection to the demoted server would stay in use.
        retry_on_error=[ReadOnlyError],
        driver_info=DRIVER_INFO,
    )


def refuse_cluster(redis: Redis) -> None:
    """
    Check that Redis is one server; a server that does not answer passes.

    Raises `SettingsError` if it is a node of a cluster: the Lua scripts compute keys of many slots.
    """
    try:
        is_cluster = bool(redis.info("cluster").get("cluster_enabled"))
    except RedisError:
        return
    if is_cluster:
        raise SettingsError(REDIS_CLUSTER_ERROR)


def read_clock(redis: Redis) -> float:
    """Return Redis' time in seconds. Raises `RedisError`."""
    seconds, micros = redis.time()
    return float(seconds + micros / 1e6)


def retry_redis(
    call: Callable[[], Result], delays: Sequence[float] = RETRY_DELAYS_SECONDS
) -> Result:
    """Retry an idempotent call until Redis responds. Raises `RedisError` after the last delay."""
    for delay in delays:
        try:
            return call()
        except RedisError:
            time.sleep(delay)
    return call()


def decode_reply(reply: bytes | str) -> str:
    """Return a reply of Redis as text, from a decoding client or another."""
    return reply.decode() if isinstance(reply, bytes) else reply
