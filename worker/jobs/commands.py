"""Command listener: stop, edit, forget and shutdown commands from RQ's tools and the bot."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import redis
import structlog
from redis.asyncio import Redis

from contract import keys
from contract.job import EVERY_SCOPE

log = structlog.get_logger()

RECONNECT_SECONDS: Final = 0.5
"""Seconds before a new subscription after a Redis error."""


class CommandListener:
    """Subscriber of one worker's command channel in RQ."""

    def __init__(
        self,
        connection: Redis,
        channel: str,
        *,
        stop_job: Callable[[str], None],
        mark_edited: Callable[[str], None],
        forget_scope: Callable[[str], None],
        request_drain: Callable[[], None],
    ) -> None:
        """
        Call one of the handlers for each command.

        `stop_job` and `mark_edited` take a job id. `forget_scope` takes a scope (a team,
        channel or thread, or `EVERY_SCOPE`) and erases its prefixes from the engine's KV cache.
        `request_drain` shuts the worker down.
        """
        self._redis = connection
        self._channel = channel
        self._stop_job = stop_job
        self._mark_edited = mark_edited
        self._forget_scope = forget_scope
        self._request_drain = request_drain

    async def listen_for_commands(self) -> None:
        """
        Handle commands until cancelled. As always in RQ, an outage of Redis loses commands.

        A lost forget would keep prefixes, so each new subscription forgets all of them.
        """
        while True:
            try:
                await self._read_commands()
            except redis.RedisError:
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _read_commands(self) -> None:
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(self._channel)
            while True:
                message = await subscription.get_message(timeout=1.0)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    # redis-py also subscribes again by itself, after a lost connection.
                    self._forget_scope(EVERY_SCOPE)
                elif message["type"] == "message":
                    self._dispatch_command(message)

    def _dispatch_command(self, message: dict[str, Any]) -> None:
        try:
            command = json.loads(message["data"])
            name, job, scope = command["command"], command.get("job_id"), command.get("scope")
        except (ValueError, LookupError, TypeError, AttributeError):
            log.warning("command malformed")
            return
        if name in {"stop-job", "stop-execution"} and isinstance(job, str):
            self._stop_job(job)
        elif name == keys.RESTART_COMMAND and isinstance(job, str):
            self._mark_edited(job)
        elif name == keys.FORGET_COMMAND and isinstance(scope, str):
            self._forget_scope(scope)
        elif name == "shutdown":
            self._request_drain()
