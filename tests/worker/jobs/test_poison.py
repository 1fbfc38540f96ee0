"""Poison in Redis: a malformed value is set aside, and other jobs run."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from contract import keys
from contract.slack_budget import Priority, find_buckets
from contract.worker_status import live_workers
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import make_job, rq_status
from testing.redis_server import RedisServer
from worker.failpoints import Failpoints
from worker.jobs.consumer import JobConsumer
from worker.jobs.heartbeat import Heartbeat
from worker.jobs.job_context import JobContext, Outcome
from worker.jobs.job_state import EXHAUSTED_COUNT, JobState
from worker.jobs.leases import JOB_PREFIX, RECOVERY_COUNT, LeaseManager
from worker.jobs.rq_worker import QUARANTINE, RqWorker
from worker.metrics import Metrics
from worker.slack.rate_limits import TokenBuckets

JUNK = ("xyz", "", "-1", "1e999", "nan", "9" * 400, "１", "\x00", "<!channel>")
LEASE_SECONDS = 30.0


async def wait_until(condition: Callable[[], Any]) -> None:
    """Poll Redis until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("field", [keys.ATTEMPTS, RECOVERY_COUNT])
@pytest.mark.parametrize("junk", [value for value in JUNK if value])
async def test_invalid_count_counts_as_exhausted(
    client: redis.Redis,
    job_queue: PreparedQueue,
    rq_worker: RqWorker,
    loop_client: Redis,
    field: str,
    junk: str,
) -> None:
    """The job ends with an error message instead of a loop."""
    job = make_job(1)
    job_queue.enqueue(job)
    client.hset(JOB_PREFIX + job.id, field, junk)
    context = rq_worker.claim_job(rq_worker.dequeue_job_id() or "")
    assert context is not None
    state = JobState(loop_client, context.lease, LEASE_SECONDS)
    progress = await state.load_progress()
    assert EXHAUSTED_COUNT in {progress.attempts, progress.recoveries}
    assert await state.count_attempt() > 0


async def test_reaper_recovers_jobs_beside_an_invalid_count(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker
) -> None:
    """One malformed field used to fail the whole script, and with it all recovery."""
    jobs = [make_job(number) for number in range(2)]
    for job in jobs:
        job_queue.enqueue(job)
        assert rq_worker.claim_job(rq_worker.dequeue_job_id() or "") is not None
        client.delete(keys.job_lease(job.id))
    client.hset(JOB_PREFIX + jobs[0].id, RECOVERY_COUNT, "xyz")
    assert set(LeaseManager(client, LEASE_SECONDS, "w1").reap_jobs()) == {job.id for job in jobs}


async def test_unforeseen_error_quarantines_the_job(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker, server: RedisServer
) -> None:
    """The task has a net: the job is set aside, its quota is released, another job runs."""

    async def answer(context: JobContext) -> Outcome:
        if context.job.ts == "1.000000":
            raise ValueError("the text of a person")
        return Outcome.ANSWERED

    heartbeat = Heartbeat(redis.Redis.from_url(server.url), LEASE_SECONDS, 1)
    consumer = JobConsumer(rq_worker, heartbeat, answer, Metrics(), failpoints=Failpoints())
    for number in (1, 2):
        job_queue.enqueue(make_job(number))

    async def can_take() -> bool:
        return True

    consuming = asyncio.create_task(consumer.consume_jobs(can_take))
    await wait_until(lambda: client.zcard(keys.PENDING_JOBS) == 0)
    consumer.stop_taking()
    await consuming
    await consumer.drain_jobs(asyncio.Event(), 5)
    await consumer.end_threads()
    assert client.zrange(QUARANTINE, 0, -1) == [make_job(1).id.encode()]
    assert rq_status(client, make_job(1).id) == "failed"
    assert rq_status(client, make_job(2).id) == "finished"


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError()])
async def test_lack_of_resources_leaves_the_job_to_recovery(
    client: redis.Redis,
    job_queue: PreparedQueue,
    rq_worker: RqWorker,
    server: RedisServer,
    error: Exception,
) -> None:
    """The job is not at fault, so it is not set aside."""
    failed = asyncio.Event()

    async def answer(_: JobContext) -> Outcome:
        failed.set()
        raise error

    heartbeat = Heartbeat(redis.Redis.from_url(server.url), LEASE_SECONDS, 1)
    consumer = JobConsumer(rq_worker, heartbeat, answer, Metrics(), failpoints=Failpoints())
    job_queue.enqueue(make_job(1))

    async def can_take() -> bool:
        return not failed.is_set()

    consuming = asyncio.create_task(consumer.consume_jobs(can_take))
    await failed.wait()
    consumer.stop_taking()
    await consuming
    await consumer.drain_jobs(asyncio.Event(), 5)
    await consumer.end_threads()
    assert client.zcard(QUARANTINE) == 0
    assert rq_status(client, make_job(1).id) == "started"


@pytest.mark.parametrize("field", ["tokens", "updated_at", "blocked_until"])
@pytest.mark.parametrize("junk", JUNK)
async def test_invalid_token_bucket_grants_calls(
    client: redis.Redis, loop_client: Redis, field: str, junk: str
) -> None:
    """It used to fail every call of its workspace, or to block it without end."""
    buckets = find_buckets("T1", "chat.postMessage", "C1")
    for bucket in buckets:
        client.hset(bucket.key, field, junk)
    wait = await TokenBuckets(loop_client).acquire(buckets, Priority.REPLY)
    assert wait <= 60


async def test_bucket_of_another_type_grants_calls(client: redis.Redis, loop_client: Redis) -> None:
    """A key of another type is replaced."""
    buckets = find_buckets("T1", "chat.postMessage", "C1")
    for bucket in buckets:
        client.set(bucket.key, "junk")
    assert await TokenBuckets(loop_client).acquire(buckets, Priority.REPLY) == 0


@pytest.mark.parametrize(
    "fields",
    [
        '"reported_at": 1e999, "slots": 1, "busy_slots": 0',
        '"reported_at": 9e15, "slots": 1, "busy_slots": 0',
        '"reported_at": 100, "slots": 0, "busy_slots": 0',
        '"reported_at": 100, "slots": 99999999, "busy_slots": 0',
        '"reported_at": 100, "slots": 1, "busy_slots": 0, "seconds_per_reply": 1e999',
    ],
)
def test_malformed_status_is_no_live_worker(fields: str) -> None:
    """A worker from the future would never die, and an infinite pace would be shown to people."""
    assert live_workers({b"w1": f"{{{fields}}}".encode()}, 100.0) == ()
