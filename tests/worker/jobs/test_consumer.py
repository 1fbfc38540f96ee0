"""Many jobs in flight: taken while there is room, given back, lost, stopped, ended."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from bot.store.job_queue import Outbox
from bot.store.purge import Forgetting
from contract import keys
from testing.jobs import make_job, rq_status
from testing.redis_server import RedisServer
from worker.errors import LeaseLostError
from worker.failpoints import Faults
from worker.jobs.commands import Commands
from worker.jobs.consumer import Intake
from worker.jobs.job_state import Ledger
from worker.jobs.leases import JOB, QUEUE_KEY, Fence, Heartbeat, Lease
from worker.jobs.rq_worker import RqWorker, Taken
from worker.jobs.task import GiveBackError, Outcome, Task
from worker.metrics import Metrics
from worker.slack.client import SlackAwayError

LEASE = 30.0


class Desk:
    """An intake over a real Redis whose handler the test decides."""

    def __init__(self, server: RedisServer, rq_worker: RqWorker, loop_client: Redis) -> None:
        self.rq_worker = rq_worker
        self.tasks: asyncio.Queue[Task] = asyncio.Queue()
        self.ends: dict[str, asyncio.Future[Outcome]] = {}
        connection = redis.Redis.from_url(server.url)
        self.heartbeat = Heartbeat(connection, LEASE, 0.1)
        fence = Fence(loop_client, LEASE)

        def open_task(taken: Taken) -> Task:
            ledger = Ledger(loop_client, fence, taken.lease)
            return Task(taken.job, ledger, taken.age, revision=taken.revision)

        self.intake = Intake(
            rq_worker, self.heartbeat, open_task, self.answer, Metrics(), faults=Faults()
        )
        loop = asyncio.get_running_loop()
        self.heartbeat.start(lambda lease: loop.call_soon_threadsafe(self.intake.lose, lease))
        self.run = asyncio.create_task(self.intake.run(self.may_take))
        self.willing = True

    async def may_take(self) -> bool:
        """Say whether this worker wants jobs now."""
        return self.willing

    async def answer(self, task: Task) -> Outcome:
        """Wait for what the test decides."""
        self.ends[task.job.id] = asyncio.get_running_loop().create_future()
        self.tasks.put_nowait(task)
        return await self.ends[task.job.id]

    async def taken(self) -> Task:
        """Wait until a job is taken."""
        return await asyncio.wait_for(self.tasks.get(), 10)

    async def drained(self, *, hurry: bool = False) -> None:
        """Let the intake end."""
        self.intake.close()
        await self.run
        now = asyncio.Event()
        if hurry:
            now.set()
        await self.intake.drain(now, 30)


@pytest.fixture
async def desk(server: RedisServer, rq_worker: RqWorker) -> AsyncIterator[Desk]:
    """An intake with room for two jobs."""
    async with Redis.from_url(server.url, decode_responses=True) as loop_client:
        desk = Desk(server, rq_worker, loop_client)
        desk.intake.capacity = 2
        yield desk
        if not desk.run.done():
            await desk.drained(hurry=True)
        desk.heartbeat.stop()


async def until(true: Callable[[], Any]) -> None:
    """Wait until something is true in Redis, which has nothing to await."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_no_more_jobs_are_taken_than_there_is_room_for(
    client: redis.Redis, outbox: Outbox, desk: Desk
) -> None:
    """The rest stays on the queue for other workers until one has ended."""
    for number in range(4):
        outbox.accept(make_job(number))
    tasks = [await desk.taken(), await desk.taken()]
    assert len(desk.intake) == 2
    assert client.llen(QUEUE_KEY) == 2
    desk.ends[tasks[0].job.id].set_result(Outcome.ANSWERED)
    tasks.append(await desk.taken())
    *first, last = (task.job.ts for task in tasks)
    assert sorted(first) == ["0.000000", "1.000000"]
    assert last == "2.000000"


async def test_a_thread_is_answered_in_order(
    client: redis.Redis, outbox: Outbox, desk: Desk
) -> None:
    """The next turn of a thread begins when the one before it has ended."""
    for number in range(3):
        outbox.accept(make_job(number, thread=0))
    for number in range(3):
        task = await desk.taken()
        assert task.job.ts == f"{number}.000000"
        assert desk.tasks.empty()
        desk.ends[task.job.id].set_result(Outcome.ANSWERED)
    await until(lambda: client.zcard(keys.PENDING_JOBS) == 0)


@pytest.mark.parametrize(
    ("outcome", "ended"),
    [
        (Outcome.ANSWERED, "finished"),
        (Outcome.STOPPED, "finished"),
        (Outcome.QUIET, "finished"),
        (Outcome.REFUSED, "failed"),
        (SlackAwayError("chat.update"), "failed"),
    ],
)
async def test_each_outcome_has_its_place_in_rqs_registries(
    client: redis.Redis,
    outbox: Outbox,
    desk: Desk,
    outcome: Outcome | Exception,
    ended: str,
) -> None:
    """What readers were told as an error is what operators find among the failed jobs."""
    outbox.accept(make_job(1))
    task = await desk.taken()
    if isinstance(outcome, Outcome):
        desk.ends[task.job.id].set_result(outcome)
    else:
        desk.ends[task.job.id].set_exception(outcome)
    await until(lambda: rq_status(client, task.job.id) == ended)
    await until(lambda: client.zcard(keys.PENDING_JOBS) == 0)


async def test_a_job_that_shall_run_again_is_taken_again(outbox: Outbox, desk: Desk) -> None:
    """It goes to the front, before what came later."""
    outbox.accept(make_job(1))
    outbox.accept(make_job(2))
    first = await desk.taken()
    await desk.taken()
    outbox.accept(make_job(3))
    desk.ends[first.job.id].set_exception(GiveBackError())
    again = await desk.taken()
    assert again.job == first.job
    assert again.ledger.lease != first.ledger.lease


async def test_a_drain_waits_and_a_hurry_gives_back(
    client: redis.Redis, outbox: Outbox, desk: Desk
) -> None:
    """Told to hurry, unfinished jobs are at the front at once, the charged attempt taken off."""
    outbox.accept(make_job(1))
    outbox.accept(make_job(2))
    one, two = await desk.taken(), await desk.taken()
    outbox.accept(make_job(3))
    one.charged = True
    client.hset(JOB + one.job.id, keys.ATTEMPTS, 1)
    client.hset(JOB + two.job.id, keys.ATTEMPTS, 1)
    await desk.drained(hurry=True)
    waiting = client.lrange(QUEUE_KEY, 0, -1)
    assert isinstance(waiting, list)
    assert set(waiting[:2]) == {one.job.id.encode(), two.job.id.encode()}
    assert waiting[2:] == [make_job(3).id.encode()]
    assert client.hget(JOB + one.job.id, keys.ATTEMPTS) == b"0"
    assert client.hget(JOB + two.job.id, keys.ATTEMPTS) == b"1"


async def test_a_lost_lease_ends_the_job_here(
    client: redis.Redis, outbox: Outbox, desk: Desk
) -> None:
    """As soon as the heartbeat learns that another worker has a job, this one lets go."""
    outbox.accept(make_job(1))
    task = await desk.taken()
    client.set(keys.job_lease(task.job.id), "another")
    await until(lambda: len(desk.intake) == 0)
    assert desk.ends[task.job.id].cancelled()
    assert rq_status(client, task.job.id) == "started"
    desk.intake.lose(Lease(task.job.id, "gone already"))


@pytest.mark.parametrize("error", [LeaseLostError(), redis.ConnectionError()])
async def test_what_another_worker_will_end_is_left_alone(
    client: redis.Redis, outbox: Outbox, desk: Desk, error: Exception
) -> None:
    """Neither a lost lease nor a Redis that stays away is recorded as an end."""
    outbox.accept(make_job(1))
    task = await desk.taken()
    desk.ends[task.job.id].set_exception(error)
    await until(lambda: len(desk.intake) == 0)
    assert rq_status(client, task.job.id) == "started"
    assert client.zcard(keys.PENDING_JOBS) == 1


async def test_jobs_are_left_to_others_while_this_worker_is_not_ready(
    client: redis.Redis, outbox: Outbox, desk: Desk
) -> None:
    """A worker that is still loading leaves the queue to those that are not."""
    desk.willing = False
    await asyncio.sleep(1.1)
    outbox.accept(make_job(1))
    await asyncio.sleep(0.3)
    assert client.llen(QUEUE_KEY) == 1
    desk.willing = True
    assert (await desk.taken()).job == make_job(1)


async def test_rqs_own_commands_are_obeyed(
    server: RedisServer, outbox: Outbox, desk: Desk, client: redis.Redis
) -> None:
    """The bot stops a job by RQ's stop command and edits it by one more; RQ's shutdown drains."""
    ended = asyncio.Event()
    forgotten: list[str] = []
    async with Redis.from_url(server.url, decode_responses=True) as listening:
        channel = desk.rq_worker.pubsub_channel_name
        intake = desk.intake
        commands = Commands(
            listening,
            channel,
            stop=intake.stop,
            edit=intake.edit,
            forget=forgotten.append,
            end=ended.set,
        )
        listen = asyncio.create_task(commands.listen())
        outbox.accept(make_job(1))
        task = await desk.taken()
        await until(lambda: client.pubsub_numsub(channel)[0][1] == 1)
        for nonsense in ("", "[]", "{}", '{"command": 1}', '{"command": "stop-job"}'):
            client.publish(channel, nonsense)
        client.publish(
            channel, json.dumps({"command": keys.RESTART_COMMAND, "job_id": task.job.id})
        )
        await asyncio.wait_for(task.edited.wait(), 10)
        assert not task.stopped.is_set()
        outbox.cancel(task.job.id)
        await asyncio.wait_for(task.stopped.wait(), 10)
        client.hset(keys.WORKER_STATUSES, desk.rq_worker.name, "a beat")
        Forgetting(client).channel("T1", "C1")
        client.publish(channel, json.dumps({"command": "shutdown"}))
        await asyncio.wait_for(ended.wait(), 10)
        assert forgotten == ["T1"]
        listen.cancel()
