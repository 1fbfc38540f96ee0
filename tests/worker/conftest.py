"""What the tests of a whole worker share: one desk, and one worker that has its model."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import redis
from redis.asyncio import Redis
from slack_sdk.web.async_client import AsyncWebClient

from bot.store.job_queue import Limits, Outbox
from testing.checkpoints import taught_checkpoint
from testing.processes import Process
from testing.redis_server import RedisServer
from testing.reply_harness import Post
from testing.takeover import Survivor
from testing.worker_harness import Desk
from testing.workspace import BOT_TOKEN
from worker.jobs.leases import Claims
from worker.jobs.rq_worker import RqWorker
from worker.metrics import Metrics
from worker.slack.client import Slack
from worker.slack.rate_limits import Rates


@pytest.fixture(scope="session")
def model() -> str:
    """A model that knows a few answers by heart."""
    return str(taught_checkpoint())


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A workspace and a queue of this module's own."""
    with Desk() as desk:
        yield desk


@pytest.fixture(scope="module")
def worker(desk: Desk, model: str) -> Iterator[Process]:
    """A worker that serves the module's desk and has its model loaded."""
    with desk.worker(model) as worker:
        worker.wait_for("model loaded", within=120)
        yield worker


@pytest.fixture
def survivor(desk: Desk, worker: Process) -> Iterator[Survivor]:
    """The module's worker, asleep."""
    survivor = Survivor(desk, worker)
    survivor.sleep()
    yield survivor
    survivor.wake()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A Redis server of this module's own."""
    with RedisServer() as server:
        yield server


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
def outbox(client: redis.Redis) -> Outbox:
    """The bot's end of the queue."""
    return Outbox(client, Limits())


@pytest.fixture
def rq_worker(client: redis.Redis) -> RqWorker:
    """A registered worker."""
    worker = RqWorker(client, "w1", Claims(client, 30.0, "w1"), 3600)
    worker.register_birth()  # type: ignore[no-untyped-call]
    return worker


@pytest.fixture
async def post(desk: Desk) -> AsyncIterator[Post]:
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
        slack = Slack(web, Rates(client), Metrics())
        yield Post(desk, client, slack, desk.question("What is a mutex?"))
    desk.workspace.faults()
