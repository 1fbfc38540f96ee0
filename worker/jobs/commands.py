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

RECONNECT_SECONDS: Final = 0.5
"""Seconds before listening again after Redis was away."""


class CommandListener:
    """RQ's channel of one worker."""

    def __init__(
        self,
        connection: Redis,
        channel: str,
        *,
        stop_job: Callable[[str], None],
        mark_edited: Callable[[str], None],
        forget_team: Callable[[str], None],
        request_drain: Callable[[], None],
    ) -> None:
        """
        `stop` ends a job for its reader, `edit` runs it anew, `end` drains the worker.

        `forget` wipes what the engine keeps of a team.
        """
        self._redis = connection
        self._channel = channel
        self._stop_job = stop_job
        self._mark_edited = mark_edited
        self._forget_team = forget_team
        self._request_drain = request_drain

    async def listen_for_commands(self) -> None:
        """Obey until cancelled; commands sent while Redis is away are lost, as RQ's always are."""
        while True:
            try:
                await self._read_commands()
            except redis.RedisError:
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _read_commands(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(self._channel)
            while True:
                message = await subscription.get_message(timeout=1.0)
                if message is not None:
                    self._dispatch_command(message)

    def _dispatch_command(self, message: dict[str, Any]) -> None:
        try:
            command = json.loads(message["data"])
            name, job, team = command["command"], command.get("job_id"), command.get("team")
        except (ValueError, LookupError, TypeError, AttributeError):
            log.warning("command malformed")
            return
        if name in {"stop-job", "stop-execution"} and isinstance(job, str):
            self._stop_job(job)
        elif name == keys.RESTART_COMMAND and isinstance(job, str):
            self._mark_edited(job)
        elif name == keys.FORGET_COMMAND and isinstance(team, str):
            self._forget_team(team)
        elif name == "shutdown":
            self._request_drain()
