"""Puts one worker together from its settings and runs it."""

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
from contract.thread_pool import eager_thread_pool
from worker.answering.answer_cache import Memory
from worker.answering.generator import Generation, Wishes
from worker.answering.pipeline import Answering
from worker.engine.client import EngineClient
from worker.engine.options import EngineConfig
from worker.failpoints import Faults
from worker.jobs.consumer import Intake
from worker.jobs.job_state import Ledger
from worker.jobs.leases import Claims, Fence, Heartbeat
from worker.jobs.presence import Beats
from worker.jobs.rq_worker import RqWorker, Taken
from worker.jobs.task import Limits, Task
from worker.metrics import Metrics
from worker.settings import Settings
from worker.slack.client import TIMEOUT, Slack
from worker.slack.methods import NO_TOKEN
from worker.slack.rate_limits import Rates
from worker.slack.reply_message import Posting
from worker.slack.thread_messages import SlackThread
from worker.supervisor import Orders, Parts, Serving

log = structlog.get_logger()

THREADS: Final = 4
"""Threads for what is neither RQ's nor the loop's: tokens, names of hosts."""
PATIENCE: Final = 240
"""Tries of a running job's Redis command, up to two seconds apart, before the job is left."""
TELLING: Final = 120.0
"""Seconds that Slack has after a question's deadline to take the last word on it."""
COLD: Final = 5.0
"""Seconds between tries at most, until Redis answers for the first time."""


async def run(settings: Settings) -> str | None:
    """Run a worker until it is told to end; returns why it could not go on, if it could not."""
    orders = Orders()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, orders.end)
    loop.set_default_executor(eager_thread_pool(THREADS, "beside"))
    engine = EngineClient(_options(settings), on_change=orders.engine_changed)
    engine.start_loading()
    for_rq, for_beat, for_loop = _connections(settings.redis_url.get_secret_value())
    try:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            client = AsyncWebClient(
                token=settings.slack_bot_token.get_secret_value(),
                base_url=settings.slack_api_url,
                timeout=TIMEOUT,
                session=session,
                retry_handlers=[],
            )
            if await _reached(for_beat.ping, orders) and await _known(client, orders):
                connections = (for_rq, for_beat, for_loop)
                await _serve(_parts(settings, connections, engine, client), orders)
    finally:
        await engine.shut_down()
        await for_loop.aclose()
        for_rq.close()
        for_beat.close()
        log.info("worker ended", why=orders.why)
    return orders.why


async def _serve(parts: Parts, orders: Orders) -> None:
    """Serve once we are registered: Redis may let us in and still not let us do anything."""
    if await _reached(parts.worker.register_birth, orders):
        await Serving(parts, orders).run()


def _options(settings: Settings) -> EngineConfig:
    weights = settings.starchat_quantization
    return EngineConfig(
        model=settings.starchat_model,
        revision=settings.starchat_revision,
        device=settings.starchat_device,
        dtype=settings.starchat_dtype,
        quantization=None if weights == "none" else weights,
        slots=settings.starchat_slots,
        threads=settings.starchat_threads,
        num_speculative_tokens=settings.starchat_speculative_tokens,
        cuda_graphs=settings.starchat_cuda_graphs == "auto",
        compile_layers=settings.starchat_compile == "on",
    )


def _wishes(settings: Settings) -> Wishes:
    return Wishes(
        new_tokens=settings.starchat_max_new_tokens,
        temperature=settings.starchat_temperature,
        top_k=settings.starchat_top_k,
        top_p=settings.starchat_top_p,
        system=settings.starchat_system_prompt,
    )


def _connections(url: str) -> tuple[redis.Redis, redis.Redis, Redis]:
    """Return connections for RQ, for the heartbeat (never waits long) and for the loop."""
    backoff = ExponentialWithJitterBackoff(base=0.05, cap=2)
    return (
        redis.Redis.from_url(url, socket_timeout=10, retry=Retry(backoff, 3)),
        redis.Redis.from_url(url, socket_timeout=2, retry=Retry(backoff, 0)),
        Redis.from_url(
            url, decode_responses=True, socket_timeout=10, retry=AsyncRetry(backoff, PATIENCE)
        ),
    )


async def _reached(call: Callable[[], object], orders: Orders) -> bool:
    """Call until Redis answers; says why it does not, once. False if told to end before."""
    pause, said = 0.1, ""
    while not orders.drain.is_set():
        try:
            await asyncio.to_thread(call)
        except redis.RedisError as error:
            if said != type(error).__name__:
                said = type(error).__name__
                log.error("redis does not answer", error=said)  # noqa: TRY400
            pause = min(COLD, pause * random.uniform(1.5, 2))  # noqa: S311
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(orders.drain.wait(), pause)
        else:
            return True
    return False


async def _known(client: AsyncWebClient, orders: Orders) -> bool:
    """Tell whether Slack knows our token. A Slack that does not answer is no reason to end."""
    try:
        answer = await client.auth_test()
        clock_skew.warn_on_skew(clock_skew.server_time(answer.headers), machine=time.time())
    except SlackApiError as error:
        data = getattr(error.response, "data", None)
        name = str(data.get("error")) if isinstance(data, dict) else ""
        if name in NO_TOKEN:
            orders.fail(f"SLACK_BOT_TOKEN must be a token that Slack accepts, it says '{name}'")
            return False
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AttributeError) as error:
        log.warning("slack does not answer", error=type(error).__name__)
    return True


def _parts(
    settings: Settings,
    connections: tuple[redis.Redis, redis.Redis, Redis],
    engine: EngineClient,
    client: AsyncWebClient,
) -> Parts:
    for_rq, for_beat, for_loop = connections
    lease, faults, metrics = (
        settings.starchat_lease_seconds,
        Faults.parse_plan(settings.starchat_failpoint),
        Metrics(),
    )
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    claims = Claims(for_rq, lease, name)
    worker = RqWorker(for_rq, name, claims, settings.starchat_result_ttl)
    generation = Generation(engine, _wishes(settings))
    slack = Slack(client, Rates(for_loop), metrics)
    fence = Fence(for_loop, lease)

    def open_task(taken: Taken) -> Task:
        ledger = Ledger(for_loop, fence, taken.lease)
        return Task(taken.job, ledger, taken.age, revision=taken.revision)

    def posting(task: Task) -> Posting:
        until = time.monotonic() + settings.starchat_deadline + TELLING
        thread = SlackThread(slack, task.job, until)
        return Posting(thread, task.ledger, task.job, faults, settings.starchat_edit_interval)

    answering = Answering(
        generation,
        Memory(for_loop),
        posting,
        Limits(settings.starchat_max_attempts, settings.starchat_deadline),
        metrics,
        faults=faults,
    )
    heartbeat = Heartbeat(for_beat, lease, settings.starchat_heartbeat_interval)
    intake = Intake(worker, heartbeat, open_task, answering.answer, metrics, faults=faults)
    return Parts(
        settings=settings,
        redis=for_loop,
        worker=worker,
        claims=claims,
        heartbeat=heartbeat,
        beats=Beats(for_loop, name),
        engine=engine,
        generation=generation,
        intake=intake,
        metrics=metrics,
    )
