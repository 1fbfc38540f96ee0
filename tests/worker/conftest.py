"""What the tests of a whole worker share: one desk, and one worker that has its model."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import redis
from redis.asyncio import Redis
from slack_sdk.web.async_client import AsyncWebClient

from bot.store.job_queue import JobQueue, QueueLimits
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.reply_harness import ReplyHarness
from testing.worker_harness import StandbyWorker, WorkerHarness
from testing.workspace import BOT_TOKEN
from worker.jobs.leases import LeaseManager
from worker.jobs.rq_worker import RqWorker
from worker.metrics import Metrics
from worker.slack.client import SlackClient
from worker.slack.rate_limits import TokenBuckets


@pytest.fixture(scope="session")
def model() -> str:
    """A model that has memorized a few answers."""
    from testing.checkpoints import memorizing_checkpoint  # noqa: PLC0415 - imports torch

    return str(memorizing_checkpoint())


@pytest.fixture(scope="module")
def desk() -> Iterator[WorkerHarness]:
    """A workspace and a queue of this module's own."""
    with WorkerHarness() as desk:
        yield desk


@pytest.fixture(scope="module")
def worker(desk: WorkerHarness, model: str) -> Iterator[Process]:
    """A worker that serves the module's desk and has its model loaded."""
    with desk.start_worker(model) as worker:
        worker.wait_for_event("model loaded", timeout=120)
        yield worker


@pytest.fixture
def survivor(desk: WorkerHarness, worker: Process) -> Iterator[StandbyWorker]:
    """The module's worker, asleep."""
    survivor = StandbyWorker(desk, worker)
    survivor.pause_worker()
    yield survivor
    survivor.resume_worker()


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
def outbox(client: redis.Redis) -> JobQueue:
    """The bot's end of the queue."""
    return JobQueue(client, QueueLimits())


@pytest.fixture
def rq_worker(client: redis.Redis) -> RqWorker:
    """A registered worker."""
    worker = RqWorker(client, "w1", LeaseManager(client, 30.0, "w1"), 3600)
    worker.register_birth()  # type: ignore[no-untyped-call]
    return worker


@pytest.fixture
async def post(desk: WorkerHarness) -> AsyncIterator[ReplyHarness]:
    """A question that a worker has just taken; calls have two seconds."""
    timeout = aiohttp.ClientTimeout(total=2)
    async with (
        Redis.from_url(desk.server.url, decode_responses=True) as client,
        aiohttp.ClientSession(timeout=timeout) as session,
    ):
        await client.flushall()
        web = AsyncWebClient(
            token=BOT_TOKEN, base_url=desk.workspace.api_url, session=session, retry_handlers=[]
        )
        slack = SlackClient(web, TokenBuckets(client), Metrics())
        yield ReplyHarness(desk, client, slack, desk.post_question("What is a mutex?"))
    desk.workspace.set_faults()
