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
from typing import Final

import aiohttp
import redis
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from contract import clock_skew
from contract.slack_errors import INVALID_TOKEN_ERRORS, LOGIN_ERRORS
from contract.thread_pool import eager_thread_pool
from worker.answering.answer_cache import AnswerCache
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import AnswerPipeline
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
from worker.failpoints import Failpoints
from worker.jobs.consumer import JobConsumer
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.job_context import JobContext
from worker.jobs.job_state import JobState
from worker.jobs.leases import LeaseManager
from worker.jobs.presence import WorkerPresence
from worker.jobs.rq_worker import RqWorker
from worker.metrics import Metrics
from worker.settings import Settings
from worker.slack.client import CALL_TIMEOUT_SECONDS, SlackClient
from worker.slack.rate_limits import TokenBuckets
from worker.slack.reply_message import ReplyMessage
from worker.slack.thread_messages import ThreadMessages
from worker.supervisor import Services, ShutdownSignal, WorkerRuntime

log = structlog.get_logger()

DEFAULT_EXECUTOR_THREADS: Final = 4
"""Threads for blocking work besides RQ's calls: tokenization, host names."""
MAX_REDIS_RETRIES: Final = 240
"""Retries of a job's Redis command, at most two seconds apart, before the job is left."""
DELIVERY_GRACE_SECONDS: Final = 120.0
"""Seconds after a question's deadline in which Slack can still accept the final message."""
MAX_STARTUP_DELAY_SECONDS: Final = 5.0
"""Maximum seconds between attempts until Redis first answers."""


async def run_worker(settings: Settings) -> str | None:
    """Run a worker until it is shut down; return the failure that ended it, if any."""
    shutdown = ShutdownSignal()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, shutdown.request_drain)
    loop.set_default_executor(eager_thread_pool(DEFAULT_EXECUTOR_THREADS, "default"))
    engine = EngineClient(_build_engine_config(settings), on_change=shutdown.handle_engine_change)
    engine.start_loading()
    rq_redis, heartbeat_redis, async_redis = _open_redis_connections(
        settings.redis_url.get_secret_value()
    )
    try:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            client = AsyncWebClient(
                token=settings.slack_bot_token.get_secret_value(),
                base_url=settings.slack_api_url,
                timeout=CALL_TIMEOUT_SECONDS,
                session=session,
                retry_handlers=[],
            )
            if await _wait_for_redis(heartbeat_redis.ping, shutdown) and await _verify_slack_token(
                client, shutdown
            ):
                connections = (rq_redis, heartbeat_redis, async_redis)
                await _register_and_serve(
                    _build_services(settings, connections, engine, client), shutdown
                )
    finally:
        await engine.shut_down()
        await async_redis.aclose()
        rq_redis.close()
        heartbeat_redis.close()
        log.info("worker ended", failure=shutdown.failure)
    return shutdown.failure


async def _register_and_serve(services: Services, shutdown: ShutdownSignal) -> None:
    """Serve once RQ's registration succeeds: Redis may answer a ping and still refuse writes."""
    if await _wait_for_redis(services.rq_worker.register_birth, shutdown):
        await WorkerRuntime(services, shutdown).run_until_shutdown()


def _build_engine_config(settings: Settings) -> EngineConfig:
    quantization = settings.starchat_quantization
    return EngineConfig(
        model=settings.starchat_model,
        revision=settings.starchat_revision,
        device=settings.starchat_device,
        dtype=settings.starchat_dtype,
        quantization=None if quantization == "none" else quantization,
        slots=settings.starchat_slots,
        threads=settings.starchat_threads,
        num_speculative_tokens=settings.starchat_speculative_tokens,
        cuda_graphs=settings.starchat_cuda_graphs == "auto",
        compile_layers=settings.starchat_compile == "on",
    )


def _build_generation_settings(settings: Settings) -> GenerationSettings:
    return GenerationSettings(
        max_new_tokens=settings.starchat_max_new_tokens,
        temperature=settings.starchat_temperature,
        top_k=settings.starchat_top_k,
        top_p=settings.starchat_top_p,
        system_prompt=settings.starchat_system_prompt,
    )


def _open_redis_connections(url: str) -> tuple[redis.Redis, redis.Redis, Redis]:
    """Return connections for RQ, for the heartbeat (short timeout) and for the event loop."""
    backoff = ExponentialWithJitterBackoff(base=0.05, cap=2)
    return (
        redis.Redis.from_url(url, socket_timeout=10, retry=Retry(backoff, 3)),
        redis.Redis.from_url(url, socket_timeout=2, retry=Retry(backoff, 0)),
        Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=10,
            retry=AsyncRetry(backoff, MAX_REDIS_RETRIES),
        ),
    )


async def _wait_for_redis(command: Callable[[], object], shutdown: ShutdownSignal) -> bool:
    """Repeat a command until Redis answers. False if a shutdown was requested first."""
    delay, last_error = 0.1, ""
    while not shutdown.drain_requested.is_set():
        try:
            await asyncio.to_thread(command)
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


async def _verify_slack_token(client: AsyncWebClient, shutdown: ShutdownSignal) -> bool:
    """Return false if Slack rejects the token. An unreachable Slack is no reason to stop."""
    try:
        response = await client.auth_test()
        clock_skew.warn_on_skew(clock_skew.server_time(response.headers), machine=time.time())
    except SlackApiError as error:
        data = getattr(error.response, "data", None)
        error_name = str(data.get("error")) if isinstance(data, dict) else ""
        if error_name in INVALID_TOKEN_ERRORS | LOGIN_ERRORS:
            shutdown.report_failure(
                f"SLACK_BOT_TOKEN must be a token that Slack accepts; Slack says '{error_name}'"
            )
            return False
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError) as error:
        log.warning("slack does not answer", error=type(error).__name__)
    return True


def _build_services(
    settings: Settings,
    connections: tuple[redis.Redis, redis.Redis, Redis],
    engine: EngineClient,
    client: AsyncWebClient,
) -> Services:
    rq_redis, heartbeat_redis, async_redis = connections
    lease_seconds, failpoints, metrics = (
        settings.starchat_lease_seconds,
        Failpoints.parse_plan(settings.starchat_failpoint),
        Metrics(),
    )
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    leases = LeaseManager(rq_redis, lease_seconds, name)
    worker = RqWorker(rq_redis, name, leases, settings.starchat_result_ttl)
    generator = Generator(engine, _build_generation_settings(settings))
    slack = SlackClient(client, TokenBuckets(async_redis), metrics)

    def open_reply(context: JobContext) -> ReplyMessage:
        deadline = time.monotonic() + settings.starchat_deadline + DELIVERY_GRACE_SECONDS
        thread = ThreadMessages(slack, context.job, deadline)
        state = JobState(async_redis, context.lease, lease_seconds)
        return ReplyMessage(thread, state, context.job, failpoints, settings.starchat_edit_interval)

    pipeline = AnswerPipeline(
        generator,
        AnswerCache(async_redis),
        open_reply,
        AttemptLimits(settings.starchat_max_attempts, settings.starchat_deadline),
        metrics,
        failpoints=failpoints,
    )
    heartbeat = Heartbeat(heartbeat_redis, lease_seconds, settings.starchat_heartbeat_interval)
    consumer = JobConsumer(worker, heartbeat, pipeline.run, metrics, failpoints=failpoints)
    return Services(
        settings=settings,
        redis=async_redis,
        rq_worker=worker,
        leases=leases,
        heartbeat=heartbeat,
        presence=WorkerPresence(async_redis, name),
        engine=engine,
        generator=generator,
        consumer=consumer,
        metrics=metrics,
    )
