"""Composition root: builds one worker from its settings and runs it."""

import asyncio
import contextlib
import os
import random
import secrets
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import ReadOnlyError
from redis.retry import Retry
from slack_sdk.web.async_client import AsyncWebClient

from contract import logs
from contract.app_access import AppAccess
from contract.base_settings import REDIS_CLUSTER_ERROR
from contract.settings import SettingsError
from contract.slack_errors import describe_rejected_token
from contract.thread_pool import eager_thread_pool
from worker.aio import run_in_thread_until
from worker.answering.answer_cache import AnswerCache
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import AnswerPipeline, ThreadSources
from worker.answering.served_models import ServedModels
from worker.checks.pool import CheckPool
from worker.engines import LocalOrRemoteEngine, build_engines
from worker.failpoints import Failpoints
from worker.files.downloads import FileDownloads
from worker.files.file_cache import FileCache
from worker.files.file_reader import FileReader
from worker.health import HealthServer, WorkerHealth
from worker.jobs.consumer import JobConsumer
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.job_context import JobContext, Outcome
from worker.jobs.job_state import JobState
from worker.jobs.leases import LeaseManager
from worker.jobs.presence import WorkerPresence
from worker.jobs.rq_worker import RqWorker
from worker.metrics import Metrics
from worker.settings import Settings
from worker.slack.access_probe import AccessProbe
from worker.slack.agent_sessions import AgentSessions
from worker.slack.client import SlackClient, open_web_client
from worker.slack.rate_limits import TokenBuckets
from worker.slack.reply_message import ReplyMessage
from worker.slack.thread_messages import ThreadMessages
from worker.supervisor import Services, ShutdownSignal, WorkerRuntime
from worker.wording.classifier import Classifier
from worker.wording.word_list import load_word_list
from worker.wording.wording_check import WordingCheck

log = structlog.get_logger()

DEFAULT_EXECUTOR_THREADS: Final = 4
"""Threads for blocking work besides RQ's calls: tokenization, host names."""
MAX_REDIS_RETRIES: Final = 240
"""Retries of a job's Redis command, at most two seconds apart, before the job is left."""
DELIVERY_GRACE_SECONDS: Final = 120.0
"""Seconds after a question's deadline in which Slack can still accept the final message."""
MAX_STARTUP_DELAY_SECONDS: Final = 5.0
"""Maximum seconds between attempts until Redis first answers."""


RedisConnections = tuple[redis.Redis, redis.Redis, Redis]
"""For RQ, for the heartbeat and for the event loop."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """Parts that exist before the services, and outlive them."""

    settings: Settings
    connections: RedisConnections
    client: AsyncWebClient
    access: AppAccess
    probe: AccessProbe
    engines: tuple[LocalOrRemoteEngine, ...]
    health: WorkerHealth
    metrics: Metrics
    checks: CheckPool
    wording: WordingCheck


async def run_worker(settings: Settings) -> str | None:
    """
    Run a worker until it is shut down; return the failure that ended it, if any.

    Raises `SettingsError` if the health endpoints cannot be served, Slack rejects the token, or the
    word list cannot be used.
    """
    shutdown = ShutdownSignal()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, shutdown.request_drain)
    loop.set_exception_handler(logs.log_loop_error)
    loop.set_default_executor(eager_thread_pool(DEFAULT_EXECUTOR_THREADS, "default"))
    engines = build_engines(settings, shutdown.handle_engine_change)
    access, metrics = AppAccess(), Metrics()
    health = WorkerHealth(access, engines[0], shutdown.drain_requested.is_set)
    health_server = HealthServer(health, metrics)
    try:
        await _start_health_server(health_server, settings)
        for engine in engines:
            engine.start_loading()
        async with AsyncExitStack() as stack:
            connections = await _open_redis_connections(settings, stack)
            token, url = settings.slack_bot_token.get_secret_value(), settings.slack_api_url
            client = await open_web_client(token, url, stack)
            probe = AccessProbe(client, access, lambda: settings.reload_secret("slack_bot_token"))
            parts = _Parts(
                *(settings, connections, client, access, probe, engines, health, metrics),
                checks=await stack.enter_async_context(CheckPool()),
                wording=await stack.enter_async_context(_build_wording_check(settings)),
            )
            await _start_and_serve(parts, shutdown)
    finally:
        for engine in reversed(engines):
            await engine.shut_down()
        await health_server.stop_server()
        log.info("worker ended", failure=shutdown.failure)
    return shutdown.failure


async def _start_health_server(server: HealthServer, settings: Settings) -> None:
    if not settings.health_port:
        return
    try:
        await server.start_server(settings.health_host, settings.health_port)
    except OSError as error:
        raise SettingsError(settings.describe_health_error(error)) from None


async def _start_and_serve(parts: _Parts, shutdown: ShutdownSignal) -> None:
    """
    Serve once Redis answers, Slack accepts the token, and RQ's registration succeeds.

    Redis may answer a ping and still refuse writes. Raises `SettingsError` for a Redis Cluster and
    for a rejected token.
    """
    heartbeat_redis = parts.connections[1]
    if not await _wait_for_redis(heartbeat_redis.ping, shutdown):
        return
    if await asyncio.to_thread(_is_cluster_node, heartbeat_redis):
        raise SettingsError(REDIS_CLUSTER_ERROR)
    await _verify_slack_token(parts.probe)
    services = _build_services(parts)

    def register_worker() -> None:
        services.leases.set_aside_keys()
        services.rq_worker.register_birth()  # type: ignore[no-untyped-call]

    if await _wait_for_redis(register_worker, shutdown):
        await WorkerRuntime(services, shutdown).run_until_shutdown()


def _build_wording_check(settings: Settings) -> WordingCheck:
    url, threshold = settings.starchat_classifier_url, settings.starchat_classifier_threshold
    classifier = Classifier(url, threshold) if url else None
    return WordingCheck(load_word_list(settings.starchat_words_file), classifier)


def _build_generation_settings(settings: Settings) -> GenerationSettings:
    return GenerationSettings(
        max_new_tokens=settings.starchat_max_new_tokens,
        temperature=settings.starchat_temperature,
        max_temperature=settings.starchat_max_temperature,
        top_k=settings.starchat_top_k,
        top_p=settings.starchat_top_p,
        system_prompt=settings.starchat_system_prompt,
        candidates=settings.starchat_candidates,
    )


async def _open_redis_connections(settings: Settings, stack: AsyncExitStack) -> RedisConnections:
    """Return connections for RQ, for the heartbeat (short timeout) and for the event loop."""
    url = settings.redis_url.get_secret_value()
    backoff = ExponentialWithJitterBackoff(base=0.05, cap=2)
    # After a failover, a connection to the demoted server is closed instead of kept.
    errors: list[type[Exception]] = [ReadOnlyError]
    # Read once: redis-py would open a file for each connection, also when no descriptor is left.
    driver_info = DriverInfo()
    rq_redis = redis.Redis.from_url(
        url,
        socket_timeout=10,
        retry=Retry(backoff, 3),
        retry_on_error=errors,
        driver_info=driver_info,
    )
    stack.callback(rq_redis.close)
    heartbeat_redis = redis.Redis.from_url(
        url,
        socket_timeout=2,
        retry=Retry(backoff, 0),
        retry_on_error=errors,
        driver_info=driver_info,
    )
    stack.callback(heartbeat_redis.close)
    async_redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=10,
        retry=AsyncRetry(backoff, MAX_REDIS_RETRIES),
        retry_on_error=errors,
        driver_info=driver_info,
    )
    stack.push_async_callback(async_redis.aclose)
    return rq_redis, heartbeat_redis, async_redis


def _is_cluster_node(connection: redis.Redis) -> bool:
    try:
        return bool(connection.info("cluster").get("cluster_enabled"))
    except redis.RedisError:
        return False


async def _wait_for_redis(command: Callable[[], object], shutdown: ShutdownSignal) -> bool:
    """Repeat a command until Redis answers. False if a shutdown was requested first."""
    delay, last_error = 0.1, ""
    while not shutdown.drain_requested.is_set():
        try:
            if not await run_in_thread_until(shutdown.drain_requested, command):
                return False
        except redis.RedisError as error:
            if last_error != type(error).__name__:
                last_error = type(error).__name__
                log.error("redis does not answer", error=last_error)  # noqa: TRY400
            delay = min(MAX_STARTUP_DELAY_SECONDS, delay * random.uniform(1.5, 2))  # noqa: S311
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(shutdown.drain_requested.wait(), delay)
        else:
            return True
    return False


async def _verify_slack_token(probe: AccessProbe) -> None:
    """Raise `SettingsError` if Slack rejects the token; an unreachable Slack is none."""
    name = await probe.find_wrong_token()
    if name is not None:
        raise SettingsError(describe_rejected_token("SLACK_BOT_TOKEN", name))


def _build_services(parts: _Parts) -> Services:
    settings, metrics = parts.settings, parts.metrics
    rq_redis, heartbeat_redis, async_redis = parts.connections
    lease_seconds = settings.starchat_lease_seconds
    failpoints = Failpoints.parse_plan(settings.starchat_failpoint)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    leases = LeaseManager(rq_redis, lease_seconds, name)
    worker = RqWorker(rq_redis, name, leases, settings.starchat_result_ttl)
    generation = _build_generation_settings(settings)
    models = ServedModels(
        Generator(parts.engines[0], generation),
        Generator(parts.engines[1], generation) if settings.canary else None,
        settings.canary.share if settings.canary else 0.0,
    )
    buckets = TokenBuckets(async_redis)
    slack = SlackClient(parts.client, buckets, metrics, parts.access)
    downloads = FileDownloads(parts.client, buckets, metrics)

    def open_reply(context: JobContext) -> ReplyMessage:
        deadline = time.monotonic() + settings.starchat_deadline + DELIVERY_GRACE_SECONDS
        thread = ThreadMessages(slack, context.job, deadline)
        state = JobState(async_redis, context.lease, lease_seconds)
        return ReplyMessage(thread, state, context.job, failpoints, settings.starchat_edit_interval)

    pipeline = AnswerPipeline(
        models,
        ThreadSources(
            AnswerCache(async_redis), FileReader(slack, downloads, FileCache(async_redis))
        ),
        open_reply,
        AttemptLimits(settings.starchat_max_attempts, settings.starchat_deadline),
        metrics,
        failpoints=failpoints,
    )
    pipeline.layout.check_blocks = parts.checks.check_blocks
    pipeline.layout.wording = parts.wording
    heartbeat = Heartbeat(heartbeat_redis, lease_seconds, settings.starchat_heartbeat_interval)

    sessions = AgentSessions(slack, async_redis)

    async def answer_job(context: JobContext) -> Outcome:
        with parts.access.try_work():
            async with sessions.show_processing(context.job):
                return await pipeline.run(context)

    consumer = JobConsumer(worker, heartbeat, answer_job, metrics, failpoints=failpoints)
    return Services(
        settings=settings,
        redis=async_redis,
        rq_worker=worker,
        leases=leases,
        heartbeat=heartbeat,
        presence=WorkerPresence(async_redis, name),
        models=models,
        consumer=consumer,
        sessions=sessions,
        metrics=metrics,
        access=parts.access,
        access_probe=parts.probe,
        health=parts.health,
    )
