"""Job consumer: capacity, thread order, outcomes, requeues, lost leases and commands."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from bot.store.purge import Purge
from contract import keys
from contract.job import EVERY_SCOPE
from testing.prepared_queue import PreparedQueue
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
    """A consumer on a real Redis; the test decides each job's outcome."""

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
        self.heartbeat.start_beats(
            lambda lease: loop.call_soon_threadsafe(self.consumer.cancel_lost, lease)
        )
        self.consuming = asyncio.create_task(self.consumer.consume_jobs(self.can_take_jobs))
        self.can_take = True

    async def can_take_jobs(self) -> bool:
        """Return whether this worker takes jobs now."""
        return self.can_take

    async def answer_job(self, context: JobContext) -> Outcome:
        """Wait for the outcome that the test sets."""
        self.outcomes[context.job.id] = asyncio.get_running_loop().create_future()
        self.contexts.put_nowait(context)
        return await self.outcomes[context.job.id]

    async def wait_for_job(self) -> JobContext:
        """Wait until a job is claimed."""
        return await asyncio.wait_for(self.contexts.get(), 10)

    async def drain_consumer(self, *, requeue: bool = False) -> None:
        """Drain the consumer."""
        self.consumer.stop_taking()
        await self.consuming
        requeue_now = asyncio.Event()
        if requeue:
            requeue_now.set()
        await self.consumer.drain_jobs(requeue_now, 30)
        await self.consumer.end_threads()


@pytest.fixture
async def harness(server: RedisServer, rq_worker: RqWorker) -> AsyncIterator[ConsumerHarness]:
    """A consumer with a capacity of two jobs."""
    harness = ConsumerHarness(server, rq_worker)
    harness.consumer.capacity = 2
    yield harness
    if not harness.consuming.done():
        await harness.drain_consumer(requeue=True)
    harness.heartbeat.stop_beats()


async def wait_until(condition: Callable[[], Any]) -> None:
    """Poll Redis until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_consumer_takes_no_more_jobs_than_its_capacity(
    client: redis.Redis, job_queue: PreparedQueue, harness: ConsumerHarness
) -> None:
    """Other jobs stay on the queue until one has ended, or uses the slot of another."""
    for number in range(4):
        job_queue.enqueue(make_job(number))
    contexts = [await harness.wait_for_job(), await harness.wait_for_job()]
    assert len(harness.consumer) == 2
    assert client.llen(QUEUE_KEY) == 2
    harness.outcomes[contexts[0].job.id].set_result(Outcome.ANSWERED)
    contexts.append(await harness.wait_for_job())
    *first, last = (context.job.ts for context in contexts)
    assert sorted(first) == ["0.000000", "1.000000"]
    assert last == "2.000000"
    harness.consumer.count_followers = lambda: 1
    harness.consumer.notice_follower()
    assert (await harness.wait_for_job()).job.ts == "3.000000"


async def test_jobs_of_a_thread_run_one_after_another(
    client: redis.Redis, job_queue: PreparedQueue, harness: ConsumerHarness
) -> None:
    """The thread's next job starts when the previous one has ended."""
    for number in range(3):
        job_queue.enqueue(make_job(number, thread=0))
    for number in range(3):
        context = await harness.wait_for_job()
        assert context.job.ts == f"{number}.000000"
        assert harness.contexts.empty()
        harness.outcomes[context.job.id].set_result(Outcome.ANSWERED)
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
async def test_each_outcome_is_recorded_in_its_rq_registry(
    client: redis.Redis,
    job_queue: PreparedQueue,
    harness: ConsumerHarness,
    outcome: Outcome | Exception,
    ended: str,
) -> None:
    """Jobs with a posted error are among RQ's failed jobs."""
    job_queue.enqueue(make_job(1))
    context = await harness.wait_for_job()
    if isinstance(outcome, Outcome):
        harness.outcomes[context.job.id].set_result(outcome)
    else:
        harness.outcomes[context.job.id].set_exception(outcome)
    await wait_until(lambda: rq_status(client, context.job.id) == ended)
    await wait_until(lambda: client.zcard(keys.PENDING_JOBS) == 0)


async def test_requeued_job_runs_before_later_jobs(
    job_queue: PreparedQueue, harness: ConsumerHarness
) -> None:
    """A requeued job gets a new lease."""
    job_queue.enqueue(make_job(1))
    job_queue.enqueue(make_job(2))
    first = await harness.wait_for_job()
    await harness.wait_for_job()
    job_queue.enqueue(make_job(3))
    harness.outcomes[first.job.id].set_exception(RequeueError())
    second = await harness.wait_for_job()
    assert second.job == first.job
    assert second.lease != first.lease


async def test_drain_requeues_at_once_and_refunds_attempts(
    client: redis.Redis, job_queue: PreparedQueue, harness: ConsumerHarness
) -> None:
    """Requeued jobs are at the front; only a refundable attempt is refunded."""
    job_queue.enqueue(make_job(1))
    job_queue.enqueue(make_job(2))
    one, two = await harness.wait_for_job(), await harness.wait_for_job()
    job_queue.enqueue(make_job(3))
    one.attempt_refundable = True
    client.hset(JOB_PREFIX + one.job.id, keys.ATTEMPTS, 1)
    client.hset(JOB_PREFIX + two.job.id, keys.ATTEMPTS, 1)
    await harness.drain_consumer(requeue=True)
    waiting = client.lrange(QUEUE_KEY, 0, -1)
    assert isinstance(waiting, list)
    assert set(waiting[:2]) == {one.job.id.encode(), two.job.id.encode()}
    assert waiting[2:] == [make_job(3).id.encode()]
    assert client.hget(JOB_PREFIX + one.job.id, keys.ATTEMPTS) == b"0"
    assert client.hget(JOB_PREFIX + two.job.id, keys.ATTEMPTS) == b"1"


async def test_drain_ends_while_redis_hangs(
    server: RedisServer, client: redis.Redis, job_queue: PreparedQueue, harness: ConsumerHarness
) -> None:
    """A job that cannot be requeued is left to recovery; a blocked thread holds nothing up."""
    job_queue.enqueue(make_job(1))
    context = await harness.wait_for_job()
    harness.consumer.stop_taking()
    await harness.consuming
    requeue_now = asyncio.Event()
    requeue_now.set()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await harness.consumer.drain_jobs(requeue_now, 30)
        await harness.consumer.end_threads()
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert harness.outcomes[context.job.id].cancelled()
    assert client.zcard(keys.PENDING_JOBS) == 1


async def test_background_loops_can_use_threads_until_they_end(harness: ConsumerHarness) -> None:
    """The loops of the supervisor run until the jobs are drained, and a little longer."""
    harness.consumer.stop_taking()
    await harness.consuming
    await harness.consumer.drain_jobs(asyncio.Event(), 30)
    assert await harness.consumer.run_in_thread(abs, -1) == 1
    await harness.consumer.end_threads()
    with pytest.raises(RuntimeError):
        await harness.consumer.run_in_thread(abs, -1)


async def test_lost_lease_cancels_the_job(
    client: redis.Redis, job_queue: PreparedQueue, harness: ConsumerHarness
) -> None:
    """The heartbeat's report cancels the execution without an outcome."""
    job_queue.enqueue(make_job(1))
    context = await harness.wait_for_job()
    client.set(keys.job_lease(context.job.id), "another")
    await wait_until(lambda: len(harness.consumer) == 0)
    assert harness.outcomes[context.job.id].cancelled()
    assert rq_status(client, context.job.id) == "started"
    harness.consumer.cancel_lost(Lease(context.job.id, "gone already"))


@pytest.mark.parametrize("error", [LeaseLostError(), redis.ConnectionError()])
async def test_job_stays_started_after_lost_lease_or_redis_error(
    client: redis.Redis, job_queue: PreparedQueue, harness: ConsumerHarness, error: Exception
) -> None:
    """Neither a lost lease nor a Redis outage is recorded as an end."""
    job_queue.enqueue(make_job(1))
    context = await harness.wait_for_job()
    harness.outcomes[context.job.id].set_exception(error)
    await wait_until(lambda: len(harness.consumer) == 0)
    assert rq_status(client, context.job.id) == "started"
    assert client.zcard(keys.PENDING_JOBS) == 1


async def test_worker_that_is_not_ready_takes_no_jobs(
    client: redis.Redis, job_queue: PreparedQueue, harness: ConsumerHarness
) -> None:
    """A loading worker leaves the queue to others."""
    harness.can_take = False
    await asyncio.sleep(1.1)
    job_queue.enqueue(make_job(1))
    await asyncio.sleep(0.3)
    assert client.llen(QUEUE_KEY) == 1
    harness.can_take = True
    assert (await harness.wait_for_job()).job == make_job(1)


async def test_commands_stop_edit_forget_and_drain(
    server: RedisServer, job_queue: PreparedQueue, harness: ConsumerHarness, client: redis.Redis
) -> None:
    """Malformed commands are ignored. Each new subscription forgets all, as one may be lost."""
    ended = asyncio.Event()
    forgotten: list[str] = []
    async with Redis.from_url(server.url, decode_responses=True) as listening:
        channel = harness.rq_worker.pubsub_channel_name
        consumer = harness.consumer
        commands = CommandListener(
            listening,
            channel,
            stop_job=consumer.stop_job,
            mark_edited=consumer.mark_edited,
            forget_scope=forgotten.append,
            request_drain=ended.set,
        )
        listen = asyncio.create_task(commands.listen_for_commands())
        job_queue.enqueue(make_job(1))
        context = await harness.wait_for_job()
        await wait_until(lambda: client.pubsub_numsub(channel)[0][1] == 1)
        for nonsense in ("", "[]", "{}", '{"command": 1}', '{"command": "stop-job"}'):
            client.publish(channel, nonsense)
        edit = {"command": keys.RESTART_COMMAND, "job_id": context.job.id}
        client.publish(channel, json.dumps(edit))
        await asyncio.wait_for(context.edited.wait(), 10)
        assert not context.stopped.is_set()
        job_queue.cancel_job(context.job.id)
        await asyncio.wait_for(context.stopped.wait(), 10)
        client.hset(keys.WORKER_STATUSES, harness.rq_worker.name, "a status")
        Purge(client).drop_channel("T1", "C1")
        client.publish(channel, json.dumps({"command": "shutdown"}))
        await asyncio.wait_for(ended.wait(), 10)
        client.client_kill_filter(_type="pubsub")
        await wait_until(lambda: forgotten == [EVERY_SCOPE, "T1/C1", EVERY_SCOPE])
        listen.cancel()
