"""Runs the parts of a worker side by side, and ends them as it was told to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from redis.asyncio import Redis

from worker.aio import end
from worker.answering.generator import Generation
from worker.engine import Engine, LoadError
from worker.engine.health import EngineHealth as EngineHealth
from worker.engine.health import EngineState
from worker.health import Health
from worker.jobs.commands import Commands
from worker.jobs.consumer import Intake
from worker.jobs.leases import Claims, Heartbeat
from worker.jobs.presence import Beats
from worker.jobs.rq_worker import RqWorker
from worker.metrics import Metrics
from worker.settings import Settings

log = structlog.get_logger()

FEW: Final = 4
"""Slots assumed until the engine has said how many it has."""
PER_SLOT: Final = 2
"""Jobs held per slot, so that one that waits for Slack or for its turn costs the engine nothing."""
TICK: Final = 1.0
"""Seconds."""
RQ_BEAT: Final = 5.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker consists of."""

    settings: Settings
    redis: Redis
    worker: RqWorker
    claims: Claims
    heartbeat: Heartbeat
    beats: Beats
    engine: Engine
    generation: Generation
    intake: Intake
    metrics: Metrics


class Orders:
    """What the worker was told: to drain, and to hurry."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.drain = asyncio.Event()
        self.hurry = asyncio.Event()
        self.why: str | None = None

    def end(self) -> None:
        """Drain; told a second time, give unfinished jobs back at once."""
        if self.drain.is_set():
            self.hurry.set()
        self.drain.set()

    def fail(self, why: str) -> None:
        """Drain because the worker cannot go on; `why` is one line for the operator."""
        self.why = self.why or why
        self.drain.set()

    def engine_changed(self, health: EngineHealth) -> None:
        """Fail when the model cannot be loaded."""
        if health.state is EngineState.FAILED:
            self.fail(f"STARCHAT_MODEL cannot be loaded: {health.error}")


class Serving:
    """A worker from its first beat to its last; it must be registered already."""

    def __init__(self, parts: Parts, orders: Orders) -> None:
        """Nothing is started yet."""
        self._parts = parts
        self._orders = orders
        self._slots = parts.settings.starchat_slots or FEW
        self._health = Health(parts.heartbeat.healthy, self._missing, parts.metrics)

    async def run(self) -> None:
        """Serve until told to end, then let running jobs finish or give them back."""
        parts = self._parts
        parts.intake.capacity = PER_SLOT * self._slots
        lose = asyncio.get_running_loop().call_soon_threadsafe
        parts.heartbeat.start(lambda lease: lose(parts.intake.lose, lease))
        await self._open_health(parts.settings.health_port)
        taking = asyncio.create_task(self._guard(lambda: parts.intake.run(self._may_take)))
        tasks = [asyncio.create_task(self._guard(work)) for work in self._works()]
        log.info("worker started", name=parts.worker.name)
        await self._orders.drain.wait()
        log.info("worker draining", held=len(parts.intake))
        parts.intake.close()
        await taking
        await parts.intake.drain(self._orders.hurry, parts.settings.starchat_shutdown_grace)
        await end(tasks)
        await self._leave()

    async def _open_health(self, port: int) -> None:
        try:
            if port:
                await self._health.start(port)
        except OSError as error:
            self._orders.fail(f"HEALTH_PORT must be a free port, not '{port}' ({error.strerror})")

    def _works(self) -> list[Callable[[], Awaitable[None]]]:
        parts, settings = self._parts, self._parts.settings
        channel = parts.worker.pubsub_channel_name
        intake = parts.intake
        commands = Commands(
            parts.redis,
            channel,
            stop=intake.stop,
            edit=intake.edit,
            forget=parts.engine.clear_scope,
            end=self._orders.end,
        )
        return [
            self._loaded,
            commands.listen,
            lambda: every(TICK, self._tick),
            lambda: every(RQ_BEAT, self._rq_beat),
            lambda: every(settings.starchat_heartbeat_interval, self._beat),
            lambda: every(settings.starchat_reap_interval, self._reap),
        ]

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """The net below everything that runs beside the jobs: an error nobody foresaw ends us."""
        try:
            await work()
        except Exception:
            log.exception("worker broken")
            self._orders.fail("an unexpected error, see the log")

    async def _loaded(self) -> None:
        try:
            room = await self._parts.generation.room()
        except LoadError as error:
            self._orders.fail(f"STARCHAT_MODEL cannot be loaded: {error}")
            return
        self._slots = room.model.slots
        self._parts.intake.capacity = PER_SLOT * self._slots

    async def _may_take(self) -> bool:
        """While the model is loading, jobs are left to workers that have theirs."""
        if not self._parts.generation.loading():
            return True
        try:
            return not await self._parts.beats.others_ready()
        except redis.RedisError:
            return False

    async def _tick(self) -> None:
        parts = self._parts
        parts.heartbeat.tick()
        speed = parts.engine.read_stats().tokens_per_second
        parts.metrics.now(len(parts.intake), parts.generation.running, speed)

    async def _rq_beat(self) -> None:
        worker = self._parts.worker
        await self._parts.intake.thread(worker.beat)
        await self._parts.intake.thread(worker.tidy)

    async def _beat(self) -> None:
        generation = self._parts.generation
        await self._parts.beats.publish(
            slots=self._slots,
            busy=generation.running,
            loading=generation.loading(),
            pace=generation.pace.seconds,
        )

    async def _reap(self) -> None:
        """Recover jobs, but not soon after Redis was away: everybody's leases ran out meanwhile."""
        parts = self._parts
        blind = parts.settings.starchat_lease_seconds + parts.settings.starchat_heartbeat_interval
        server = await parts.redis.info("server")
        if min(parts.heartbeat.quiet_for(), float(server["uptime_in_seconds"])) < blind:
            return
        for job in await parts.intake.thread(parts.claims.reap):
            log.warning("job recovered", job=job)
        if freed := await parts.intake.thread(parts.claims.heal):
            log.warning("jobs freed", jobs=freed)

    async def _missing(self) -> str | None:
        if self._orders.drain.is_set():
            return "its end"
        if self._parts.generation.loading():
            stage = self._parts.engine.health.stage
            return f"the model ({stage})" if stage else "the model"
        return (
            None
            if self._parts.heartbeat.quiet_for() > self._parts.settings.starchat_heartbeat_interval
            else "Redis"
        )

    async def _leave(self) -> None:
        parts = self._parts
        parts.heartbeat.stop()
        await self._health.stop()
        try:
            async with asyncio.timeout(TICK):
                await parts.beats.remove()
            await asyncio.to_thread(parts.worker.register_death)
        except (redis.RedisError, TimeoutError) as error:
            log.warning("left without a word", error=type(error).__name__)


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again; while Redis is away it is left out."""
    while True:
        try:
            await work()
        except redis.RedisError as error:
            log.warning("redis out of reach", error=type(error).__name__)
        await asyncio.sleep(seconds)
