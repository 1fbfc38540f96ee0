"""Listens to what RQ's tools and the bot tell this worker: stop, edit, forget, shut down."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import redis
import structlog
from redis.asyncio import Redis

from contract import keys

log = structlog.get_logger()

PAUSE: Final = 0.5
"""Seconds before listening again after Redis was away."""


class Commands:
    """RQ's channel of one worker."""

    def __init__(
        self,
        connection: Redis,
        channel: str,
        *,
        stop: Callable[[str], None],
        edit: Callable[[str], None],
        forget: Callable[[str], None],
        end: Callable[[], None],
    ) -> None:
        """
        `stop` ends a job for its reader, `edit` runs it anew, `end` drains the worker.

        `forget` wipes what the engine keeps of a team.
        """
        self._redis = connection
        self._channel = channel
        self._stop = stop
        self._edit = edit
        self._forget = forget
        self._end = end

    async def listen(self) -> None:
        """Obey until cancelled; commands sent while Redis is away are lost, as RQ's always are."""
        while True:
            try:
                await self._subscribed()
            except redis.RedisError:
                await asyncio.sleep(PAUSE)

    async def _subscribed(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(self._channel)
            while True:
                message = await channel.get_message(timeout=1.0)
                if message is not None:
                    self._obey(message)

    def _obey(self, message: dict[str, Any]) -> None:
        try:
            command = json.loads(message["data"])
            name, job, team = command["command"], command.get("job_id"), command.get("team")
        except (ValueError, LookupError, TypeError, AttributeError):
            log.warning("command unreadable")
            return
        if name in {"stop-job", "stop-execution"} and isinstance(job, str):
            self._stop(job)
        elif name == keys.RESTART_COMMAND and isinstance(job, str):
            self._edit(job)
        elif name == keys.FORGET_COMMAND and isinstance(team, str):
            self._forget(team)
        elif name == "shutdown":
            self._end()
