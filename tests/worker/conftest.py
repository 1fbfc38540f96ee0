"""Fixtures: Redis connections, a queue, a workspace, and a worker with its model loaded."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import redis
from redis.asyncio import Redis
from slack_sdk.web.async_client import AsyncWebClient

from bot.store.acceptance import QueueLimits
from testing.prepared_queue import PreparedQueue
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.reply_harness import ReplyHarness
from testing.worker_harness import StandbyWorker, WorkerHarness
from testing.workspace import BOT_TOKEN
from worker.jobs.leases import LeaseManager
from worker.jobs.rq_worker import RqWorker


@pytest.fixture(scope="session")
def model() -> str:
    """A model that has memorized a few answers."""
    from testing.checkpoints import memorizing_checkpoint  # noqa: PLC0415 - imports torch

    return str(memorizing_checkpoint())


@pytest.fixture(scope="module")
def harness() -> Iterator[WorkerHarness]:
    """A workspace and a queue for one module."""
    with WorkerHarness() as harness:
        yield harness


@pytest.fixture(scope="module")
def worker(harness: WorkerHarness, model: str) -> Iterator[Process]:
    """A worker with its model loaded."""
    with harness.start_worker(model) as worker:
        worker.wait_for_event("model loaded")
        yield worker


@pytest.fixture
def standby(harness: WorkerHarness, worker: Process) -> Iterator[StandbyWorker]:
    """The module's worker, paused until a test resumes it."""
    standby = StandbyWorker(harness, worker)
    standby.pause_worker()
    yield standby
    standby.resume_worker()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    """A connection to an empty server."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
async def loop_client(server: RedisServer) -> AsyncIterator[Redis]:
    """A connection for the event loop."""
    async with Redis.from_url(server.url, decode_responses=True) as client:
        yield client


@pytest.fixture
def job_queue(client: redis.Redis) -> PreparedQueue:
    """The bot's end of the queue."""
    return PreparedQueue(client, QueueLimits())


@pytest.fixture
def rq_worker(client: redis.Redis) -> RqWorker:
    """A registered worker."""
    worker = RqWorker(client, "w1", LeaseManager(client, 30.0, "w1"), 3600)
    worker.register_birth()  # type: ignore[no-untyped-call]
    return worker


@pytest.fixture
async def reply(harness: WorkerHarness) -> AsyncIterator[ReplyHarness]:
    """A job that a worker has just claimed; Slack calls time out after two seconds."""
    timeout = aiohttp.ClientTimeout(total=2)
    async with (
        Redis.from_url(harness.server.url, decode_responses=True) as client,
        aiohttp.ClientSession(timeout=timeout) as session,
    ):
        await client.flushall()
        web = AsyncWebClient(
            token=BOT_TOKEN, base_url=harness.workspace.api_url, session=session, retry_handlers=[]
        )
        yield ReplyHarness(harness, client, web)
    harness.workspace.set_faults()
