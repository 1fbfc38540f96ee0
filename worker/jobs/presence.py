"""Tells the bots every few seconds that this worker is there, and how fast it answers."""

from redis.asyncio import Redis

from contract import keys
from contract.worker_status import WorkerStatus, live_workers

GONE = 3600
"""Seconds after which the beat of a dead worker is cleared away."""


class Beats:
    """The entry of one worker among all of them."""

    def __init__(self, connection: Redis, name: str) -> None:
        """`connection` decodes responses."""
        self._redis = connection
        self._name = name

    async def publish(self, *, slots: int, busy: int, loading: bool, pace: float | None) -> None:
        """Say what this worker does now; `pace` is its average of seconds per reply."""
        beat = WorkerStatus(
            reported_at=await self._now(),
            slots=slots,
            busy_slots=busy,
            loading=loading,
            seconds_per_reply=pace,
        )
        await self._redis.hset(keys.WORKER_STATUSES, self._name, beat.model_dump_json())

    async def others_ready(self) -> bool:
        """Tell whether another worker has its model loaded; clears away those long dead."""
        beats = await self._redis.hgetall(keys.WORKER_STATUSES)
        now = await self._now()
        others = {str(n).encode(): str(b).encode() for n, b in beats.items() if n != self._name}
        dead = [n for n, b in others.items() if not live_workers({n: b}, now - GONE)]
        if dead:
            await self._redis.hdel(keys.WORKER_STATUSES, *dead)
        return any(not beat.loading for beat in live_workers(others, now))

    async def remove(self) -> None:
        """Say that this worker has gone."""
        await self._redis.hdel(keys.WORKER_STATUSES, self._name)

    async def _now(self) -> float:
        seconds, micro = await self._redis.time()
        return float(seconds) + float(micro) / 1e6
