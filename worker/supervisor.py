"""Worker supervisor: runs the consumer and the background loops, and drains them at shutdown."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from redis.asyncio import Redis

from contract.app_access import AppAccess
from contract.job import EVERY_SCOPE
from worker.aio import STOP_STEP_SECONDS, cancel_and_wait
from worker.answering.served_models import ServedModels
from worker.engine import EngineHealth, EngineState, LoadError
from worker.health import WorkerHealth
from worker.jobs.commands import CommandListener
from worker.jobs.consumer import JobConsumer
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.leases import LeaseManager
from worker.jobs.presence import WorkerPresence
from worker.jobs.rq_worker import RqWorker
from worker.metrics import Metrics
from worker.settings import Settings
from worker.slack.access_probe import AccessProbe
from worker.slack.agent_sessions import AgentSessions

log = structlog.get_logger()

DEFAULT_SLOTS: Final = 4
"""Number of slots until the engine reports its own."""
JOBS_PER_SLOT: Final = 2
"""Jobs in flight per slot: while one waits for Slack, another keeps the slot busy."""
TICK_SECONDS: Final = 1.0
"""Interval of the gauges and of the event loop's tick."""
PROBE_CHECK_SECONDS: Final = 0.5
"""Seconds between two looks at whether Slack must be asked if it accepts the app again."""
RQ_HEARTBEAT_SECONDS: Final = 5.0
"""Interval of the heartbeat that RQ's tools read."""


@dataclass(frozen=True, slots=True)
class Services:
    """All services of a worker."""

    settings: Settings
    redis: Redis
    rq_worker: RqWorker
    leases: LeaseManager
    heartbeat: Heartbeat
    presence: WorkerPresence
    models: ServedModels
    consumer: JobConsumer
    sessions: AgentSessions
    metrics: Metrics
    access: AppAccess
    access_probe: AccessProbe
    health: WorkerHealth


class ShutdownSignal:
    """Shutdown requests: drain, requeue at once, or stop after a failure."""

    def __init__(self) -> None:
        """Start without a request."""
        self.engine_ready = asyncio.Event()
        """Set when an engine is ready, perhaps with another model than before."""
        self.drain_requested = asyncio.Event()
        self.requeue_requested = asyncio.Event()
        self.failure: str | None = None

    def request_drain(self) -> None:
        """Drain. A second request requeues unfinished jobs at once."""
        if self.drain_requested.is_set():
            self.requeue_requested.set()
        self.drain_requested.set()

    def report_failure(self, failure: str) -> None:
        """Drain because of a failure; `failure` is one line for the operator."""
        self.failure = self.failure or failure
        self.drain_requested.set()

    def handle_engine_change(self, health: EngineHealth) -> None:
        """Report a failure if the model cannot be loaded."""
        if health.state is EngineState.FAILED:
            self.report_failure(f"{health.setting} cannot be used: {health.error}")
        elif health.state is EngineState.READY:
            self.engine_ready.set()


class WorkerRuntime:
    """Run of a worker, from its registration with RQ to its deregistration."""

    def __init__(self, services: Services, shutdown: ShutdownSignal) -> None:
        """Prepare the run; `run_until_shutdown` starts it."""
        self._services = services
        self._shutdown = shutdown
        self._slots = services.settings.starchat_slots or DEFAULT_SLOTS

    async def run_until_shutdown(self) -> None:
        """Serve until a shutdown is requested; then let running jobs finish, or requeue them."""
        services = self._services
        services.consumer.capacity = JOBS_PER_SLOT * self._slots
        services.consumer.count_followers = lambda: services.models.num_followers
        services.models.watch_followers(services.consumer.notice_follower)
        call_on_loop = asyncio.get_running_loop().call_soon_threadsafe
        services.heartbeat.start_beats(
            lambda lease: call_on_loop(services.consumer.cancel_lost, lease)
        )
        services.health.watch_services(
            has_redis=self._has_redis,
            is_alive=lambda: (
                services.heartbeat.is_healthy() and not services.consumer.watch.is_stuck()
            ),
        )
        consuming = asyncio.create_task(
            self._run_with_guard(lambda: services.consumer.consume_jobs(self._can_take_jobs))
        )
        tasks = [
            asyncio.create_task(self._run_with_guard(work))
            for work in self._build_background_loops()
        ]
        log.info("worker started", name=services.rq_worker.name)
        await self._shutdown.drain_requested.wait()
        log.info("worker draining", held=len(services.consumer))
        services.consumer.stop_taking()
        await asyncio.wait({consuming}, timeout=STOP_STEP_SECONDS)
        await services.consumer.drain_jobs(
            self._shutdown.requeue_requested, services.settings.starchat_shutdown_grace
        )
        await services.sessions.stop_tasks()
        await cancel_and_wait([consuming, *tasks])
        await services.consumer.end_threads()
        await self._deregister_worker()

    def _build_background_loops(self) -> list[Callable[[], Awaitable[None]]]:
        services, settings = self._services, self._services.settings
        channel = services.rq_worker.pubsub_channel_name
        consumer = services.consumer
        commands = CommandListener(
            services.redis,
            channel,
            stop_job=consumer.stop_job,
            mark_edited=consumer.mark_edited,
            forget_scope=services.models.forget_prefixes,
            request_drain=self._shutdown.request_drain,
        )
        return [
            self._follow_models,
            commands.listen_for_commands,
            lambda: run_every(PROBE_CHECK_SECONDS, self._services.access_probe.probe_if_due),
            lambda: run_every(TICK_SECONDS, self._update_gauges),
            lambda: run_every(RQ_HEARTBEAT_SECONDS, self._send_rq_heartbeat),
            lambda: run_every(settings.starchat_heartbeat_interval, self._publish_status),
            lambda: run_every(settings.starchat_reap_interval, self._recover_jobs),
        ]

    async def _run_with_guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a background task; an unforeseen error in it shuts the worker down."""
        try:
            await work()
        except Exception:
            log.exception("worker crashed")
            self._shutdown.report_failure("an unexpected error, see the log")

    async def _follow_models(self) -> None:
        """Take as many jobs as the models have slots; an engine may come back with others."""
        while True:
            self._shutdown.engine_ready.clear()
            try:
                self._slots = await self._services.models.wait_for_models()
            except LoadError as error:
                self._shutdown.report_failure(str(error))
                return
            self._services.consumer.capacity = JOBS_PER_SLOT * self._slots
            await self._shutdown.engine_ready.wait()

    async def _can_take_jobs(self) -> bool:
        """
        Take no job that Slack would refuse, and one at a time on trial.

        While the model is loading, leave jobs to workers that are ready.
        """
        access = self._services.access
        if access.is_blocked or (access.is_on_trial and not self._services.consumer.is_idle):
            return False
        if not self._services.models.is_loading():
            return True
        try:
            return not await self._services.presence.has_ready_peers()
        except redis.RedisError:
            return False

    async def _update_gauges(self) -> None:
        services = self._services
        services.heartbeat.record_tick()
        rates = [engine.read_stats().tokens_per_second for engine in services.models.engines]
        services.metrics.set_gauges(
            len(services.consumer), services.models.running_replies, sum(rates)
        )

    async def _send_rq_heartbeat(self) -> None:
        worker = self._services.rq_worker
        await self._services.consumer.run_in_thread(worker.send_heartbeat)
        await self._services.consumer.run_in_thread(worker.remove_expired_jobs)

    async def _publish_status(self) -> None:
        models = self._services.models
        is_new = await self._services.presence.publish_status(
            slots=self._slots,
            busy=models.running_replies,
            loading=models.is_loading(),
            reply_seconds=models.stable.reply_seconds.mean_seconds,
            models=models.list_models(),
        )
        if is_new:
            # Bots send commands to the workers that they know of: one to forget may be missed.
            models.forget_prefixes(EVERY_SCOPE)

    async def _recover_jobs(self) -> None:
        """
        Requeue the jobs of dead workers.

        Not right after an outage of Redis: live workers then first renew their expired leases.
        """
        services = self._services
        await services.consumer.run_in_thread(services.leases.set_aside_keys)
        settle_seconds = (
            services.settings.starchat_lease_seconds + services.settings.starchat_heartbeat_interval
        )
        server_info = await services.redis.info("server")
        if (
            min(services.heartbeat.seconds_since_failure(), float(server_info["uptime_in_seconds"]))
            < settle_seconds
        ):
            return
        for job in await services.consumer.run_in_thread(services.leases.reap_jobs):
            log.warning("job recovered", job=job)
        if released := await services.consumer.run_in_thread(services.leases.repair_orphans):
            log.warning("orphaned jobs released", jobs=released)

    def _has_redis(self) -> bool:
        since_failure = self._services.heartbeat.seconds_since_failure()
        return since_failure > self._services.settings.starchat_heartbeat_interval

    async def _deregister_worker(self) -> None:
        services = self._services
        services.heartbeat.stop_beats()
        try:
            async with asyncio.timeout(STOP_STEP_SECONDS):
                await services.presence.remove_status()
                await asyncio.to_thread(services.rq_worker.register_death)
        except (redis.RedisError, TimeoutError) as error:
            log.warning("deregistration failed", error=type(error).__name__)


async def run_every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Repeat `work` every `seconds`; skip it while Redis is unreachable, or files are scarce."""
    while True:
        try:
            await work()
        except (redis.RedisError, OSError) as error:
            log.warning("background work skipped", error=type(error).__name__)
        await asyncio.sleep(seconds)
