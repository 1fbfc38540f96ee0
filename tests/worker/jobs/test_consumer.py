"""Many jobs in flight: taken while there is room, given back, lost, stopped, ended."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from bot.store.job_queue import JobQueue
from bot.store.purge import Purge
from contract import keys
from testing.queue_inspector import make_job, rq_status
from testing.redis_server import RedisServer
from worker.errors import LeaseLostError, SlackUnavailableError
from worker.failpoints import Failpoints
from worker.jobs.commands import CommandListener
from worker.jobs.consumer import JobConsumer
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.job_context import JobContext, Outcome, RequeueError
from worker.jobs.leases import JOB_PREFIX, QUEUE_KEY, Lease
from worker.jobs.rq_worker import RqWorker
from worker.metrics import Metrics

LEASE_SECONDS = 30.0


class ConsumerHarness:
    """An intake over a real Redis whose handler the test decides."""

    def __init__(self, server: RedisServer, rq_worker: RqWorker) -> None:
        self.rq_worker = rq_worker
        self.contexts: asyncio.Queue[JobContext] = asyncio.Queue()
        self.outcomes: dict[str, asyncio.Future[Outcome]] = {}
        connection = redis.Redis.from_url(server.url)
        self.heartbeat = Heartbeat(connection, LEASE_SECONDS, 0.1)
        self.consumer = JobConsumer(
            rq_worker,
            self.heartbeat,
            self.answer_job,
            Metrics(),
            failpoints=Failpoints(),
        )
        loop = asyncio.get_running_loop()
        self.heartbeat.start_thread(
            lambda lease: loop.call_soon_threadsafe(self.consumer.cancel_lost, lease)
        )
        self.consuming = asyncio.create_task(self.consumer.consume_jobs(self.can_take_jobs))
        self.can_take = True

    async def can_take_jobs(self) -> bool:
        """Say whether this worker wants jobs now."""
        return self.can_take

    async def answer_job(self, context: JobContext) -> Outcome:
        """Wait for what the test decides."""
        self.outcomes[context.job.id] = asyncio.get_running_loop().create_future()
        self.contexts.put_nowait(context)
        return await self.outcomes[context.job.id]

    async def wait_for_job(self) -> JobContext:
        """Wait until a job is taken."""
        return await asyncio.wait_for(self.contexts.get(), 10)

    async def drain_consumer(self, *, requeue: bool = False) -> None:
        """Let the intake end."""
        self.consumer.stop_taking()
        await self.consuming
        requeue_now = asyncio.Event()
        if requeue:
            requeue_now.set()
        await self.consumer.drain_jobs(requeue_now, 30)


@pytest.fixture
async def desk(server: RedisServer, rq_worker: RqWorker) -> AsyncIterator[ConsumerHarness]:
    """A consumer with a capacity of two jobs."""
    desk = ConsumerHarness(server, rq_worker)
    desk.consumer.capacity = 2
    yield desk
    if not desk.consuming.done():
        await desk.drain_consumer(requeue=True)
    desk.heartbeat.stop_thread()


async def wait_until(condition: Callable[[], Any]) -> None:
    """Wait until something is true in Redis, which has nothing to await."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_no_more_jobs_are_taken_than_there_is_room_for(
    client: redis.Redis, outbox: JobQueue, desk: ConsumerHarness
) -> None:
    """The rest stays on the queue for other workers until one has ended."""
    for number in range(4):
        outbox.enqueue(make_job(number))
    tasks = [await desk.wait_for_job(), await desk.wait_for_job()]
    assert len(desk.consumer) == 2
    assert client.llen(QUEUE_KEY) == 2
    desk.outcomes[tasks[0].job.id].set_result(Outcome.ANSWERED)
    tasks.append(await desk.wait_for_job())
    *first, last = (task.job.ts for task in tasks)
    assert sorted(first) == ["0.000000", "1.000000"]
    assert last == "2.000000"


async def test_a_thread_is_answered_in_order(
    client: redis.Redis, outbox: JobQueue, desk: ConsumerHarness
) -> None:
    """The next turn of a thread begins when the one before it has ended."""
    for number in range(3):
        outbox.enqueue(make_job(number, thread=0))
    for number in range(3):
        task = await desk.wait_for_job()
        assert task.job.ts == f"{number}.000000"
        assert desk.contexts.empty()
        desk.outcomes[task.job.id].set_result(Outcome.ANSWERED)
    await wait_until(lambda: client.zcard(keys.PENDING_JOBS) == 0)


@pytest.mark.parametrize(
    ("outcome", "ended"),
    [
        (Outcome.ANSWERED, "finished"),
        (Outcome.STOPPED, "finished"),
        (Outcome.ABANDONED, "finished"),
        (Outcome.ERROR_POSTED, "failed"),
        (SlackUnavailableError("chat.update"), "failed"),
    ],
)
async def test_each_outcome_has_its_place_in_rqs_registries(
    client: redis.Redis,
    outbox: JobQueue,
    desk: ConsumerHarness,
    outcome: Outcome | Exception,
    ended: str,
) -> None:
    """What readers were told as an error is what operators find among the failed jobs."""
    outbox.enqueue(make_job(1))
    task = await desk.wait_for_job()
    if isinstance(outcome, Outcome):
        desk.outcomes[task.job.id].set_result(outcome)
    else:
        desk.outcomes[task.job.id].set_exception(outcome)
    await wait_until(lambda: rq_status(client, task.job.id) == ended)
    await wait_until(lambda: client.zcard(keys.PENDING_JOBS) == 0)


async def test_a_job_that_shall_run_again_is_taken_again(
    outbox: JobQueue, desk: ConsumerHarness
) -> None:
    """It goes to the front, before what came later."""
    outbox.enqueue(make_job(1))
    outbox.enqueue(make_job(2))
    first = await desk.wait_for_job()
    await desk.wait_for_job()
    outbox.enqueue(make_job(3))
    desk.outcomes[first.job.id].set_exception(RequeueError())
    again = await desk.wait_for_job()
    assert again.job == first.job
    assert again.lease != first.lease


async def test_a_drain_waits_and_a_hurry_gives_back(
    client: redis.Redis, outbox: JobQueue, desk: ConsumerHarness
) -> None:
    """Told to hurry, unfinished jobs are at the front at once, the charged attempt taken off."""
    outbox.enqueue(make_job(1))
    outbox.enqueue(make_job(2))
    one, two = await desk.wait_for_job(), await desk.wait_for_job()
    outbox.enqueue(make_job(3))
    one.attempt_refundable = True
    client.hset(JOB_PREFIX + one.job.id, keys.ATTEMPTS, 1)
    client.hset(JOB_PREFIX + two.job.id, keys.ATTEMPTS, 1)
    await desk.drain_consumer(requeue=True)
    waiting = client.lrange(QUEUE_KEY, 0, -1)
    assert isinstance(waiting, list)
    assert set(waiting[:2]) == {one.job.id.encode(), two.job.id.encode()}
    assert waiting[2:] == [make_job(3).id.encode()]
    assert client.hget(JOB_PREFIX + one.job.id, keys.ATTEMPTS) == b"0"
    assert client.hget(JOB_PREFIX + two.job.id, keys.ATTEMPTS) == b"1"


async def test_a_lost_lease_ends_the_job_here(
    client: redis.Redis, outbox: JobQueue, desk: ConsumerHarness
) -> None:
    """As soon as the heartbeat learns that another worker has a job, this one lets go."""
    outbox.enqueue(make_job(1))
    task = await desk.wait_for_job()
    client.set(keys.job_lease(task.job.id), "another")
    await wait_until(lambda: len(desk.consumer) == 0)
    assert desk.outcomes[task.job.id].cancelled()
    assert rq_status(client, task.job.id) == "started"
    desk.consumer.cancel_lost(Lease(task.job.id, "gone already"))


@pytest.mark.parametrize("error", [LeaseLostError(), redis.ConnectionError()])
async def test_what_another_worker_will_end_is_left_alone(
    client: redis.Redis, outbox: JobQueue, desk: ConsumerHarness, error: Exception
) -> None:
    """Neither a lost lease nor a Redis that stays away is recorded as an end."""
    outbox.enqueue(make_job(1))
    task = await desk.wait_for_job()
    desk.outcomes[task.job.id].set_exception(error)
    await wait_until(lambda: len(desk.consumer) == 0)
    assert rq_status(client, task.job.id) == "started"
    assert client.zcard(keys.PENDING_JOBS) == 1


async def test_jobs_are_left_to_others_while_this_worker_is_not_ready(
    client: redis.Redis, outbox: JobQueue, desk: ConsumerHarness
) -> None:
    """A worker that is still loading leaves the queue to those that are not."""
    desk.can_take = False
    await asyncio.sleep(1.1)
    outbox.enqueue(make_job(1))
    await asyncio.sleep(0.3)
    assert client.llen(QUEUE_KEY) == 1
    desk.can_take = True
    assert (await desk.wait_for_job()).job == make_job(1)


async def test_rqs_own_commands_are_obeyed(
    server: RedisServer, outbox: JobQueue, desk: ConsumerHarness, client: redis.Redis
) -> None:
    """The bot stops a job by RQ's stop command and edits it by one more; RQ's shutdown drains."""
    ended = asyncio.Event()
    forgotten: list[str] = []
    async with Redis.from_url(server.url, decode_responses=True) as listening:
        channel = desk.rq_worker.pubsub_channel_name
        intake = desk.consumer
        commands = CommandListener(
            listening,
            channel,
            stop_job=intake.stop_job,
            mark_edited=intake.mark_edited,
            forget_team=forgotten.append,
            request_drain=ended.set,
        )
        listen = asyncio.create_task(commands.listen_for_commands())
        outbox.enqueue(make_job(1))
        task = await desk.wait_for_job()
        await wait_until(lambda: client.pubsub_numsub(channel)[0][1] == 1)
        for nonsense in ("", "[]", "{}", '{"command": 1}', '{"command": "stop-job"}'):
            client.publish(channel, nonsense)
        client.publish(
            channel, json.dumps({"command": keys.RESTART_COMMAND, "job_id": task.job.id})
        )
        await asyncio.wait_for(task.edited.wait(), 10)
        assert not task.stopped.is_set()
        outbox.cancel_job(task.job.id)
        await asyncio.wait_for(task.stopped.wait(), 10)
        client.hset(keys.WORKER_STATUSES, desk.rq_worker.name, "a beat")
        Purge(client).drop_channel("T1", "C1")
        client.publish(channel, json.dumps({"command": "shutdown"}))
        await asyncio.wait_for(ended.wait(), 10)
        assert forgotten == ["T1"]
        listen.cancel()
