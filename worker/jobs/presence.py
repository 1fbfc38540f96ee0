"""Worker presence: a status entry in Redis that tells bots and workers which workers are live."""

from redis.asyncio import Redis

from contract import keys
from contract.worker_status import ServedModel, WorkerStatus, live_workers

DEAD_ENTRY_SECONDS = 3600
"""Seconds after which the status of a dead worker is deleted."""


class WorkerPresence:
    """Status entry of one worker."""

    def __init__(self, connection: Redis, name: str) -> None:
        """`connection` must decode responses."""
        self._redis = connection
        self._name = name

    async def publish_status(
        self,
        *,
        slots: int,
        busy: int,
        loading: bool,
        reply_seconds: float | None,
        models: tuple[ServedModel, ...] = (),
    ) -> bool:
        """
        Publish the current status; return whether bots did not know of this worker until now.

        `reply_seconds` is the mean duration of a reply.
        """
        status = WorkerStatus(
            reported_at=await self._redis_time(),
            slots=slots,
            busy_slots=busy,
            loading=loading,
            seconds_per_reply=reply_seconds,
            models=models,
        )
        report = status.model_dump_json()
        return bool(await self._redis.hset(keys.WORKER_STATUSES, self._name, report))

    async def has_ready_peers(self) -> bool:
        """Return whether another live worker has its model loaded; delete old dead entries."""
        entries = await self._redis.hgetall(keys.WORKER_STATUSES)
        now = await self._redis_time()
        others = {str(n).encode(): str(b).encode() for n, b in entries.items() if n != self._name}
        dead = [n for n, b in others.items() if not live_workers({n: b}, now, DEAD_ENTRY_SECONDS)]
        if dead:
            await self._redis.hdel(keys.WORKER_STATUSES, *dead)
        return any(not status.loading for status in live_workers(others, now))

    async def remove_status(self) -> None:
        """Delete the status, because the worker exits."""
        await self._redis.hdel(keys.WORKER_STATUSES, self._name)

    async def _redis_time(self) -> float:
        seconds, micro = await self._redis.time()
        return float(seconds) + float(micro) / 1e6
