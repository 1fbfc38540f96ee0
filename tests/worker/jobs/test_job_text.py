"""Text of jobs: it leaves Redis when its job ends, and no record of the end brings it back."""

import asyncio
import zlib
from typing import Any

import pytest
import redis
from redis.asyncio import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from bot.store.purge import Purge
from contract import keys
from contract.job import QUEUE_NAME
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import make_job, rq_status, runnable_job_ids, ttl_seconds
from worker.errors import LeaseLostError
from worker.jobs.job_context import JobContext
from worker.jobs.job_state import JobState
from worker.jobs.leases import JOB_PREFIX, LeaseManager
from worker.jobs.rq_worker import RqWorker

JOB = make_job(1)
KEY = JOB_PREFIX + JOB.id


@pytest.fixture
def running(client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker) -> JobContext:
    """Return a running job whose answer is saved."""
    job_queue.enqueue(JOB)
    context = rq_worker.claim_job(str(rq_worker.dequeue_job_id()))
    assert context is not None
    client.hset(KEY, mapping={keys.ANSWER: "secret answer", keys.ANSWER_FACTS: "{}"})
    return context


def read_text(client: redis.Redis) -> bytes:
    """Return all values of the job's hash, decompressed."""
    fields: Any = client.hgetall(KEY)
    return b" ".join(map(decompress_value, fields.values()))


def decompress_value(value: bytes) -> bytes:
    """Return a value as text, with or without compression."""
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def test_pending_job_expires_with_its_queue(
    client: redis.Redis, job_queue: PreparedQueue, running: JobContext
) -> None:
    """Neither a waiting nor a running job stays for longer than a queue."""
    job_queue.enqueue(make_job(2))

    assert 0 < ttl_seconds(client, make_job(2).id) <= keys.QUEUE_TTL_SECONDS
    assert 0 < ttl_seconds(client, JOB.id) <= keys.QUEUE_TTL_SECONDS


@pytest.mark.parametrize("end", ["record_success", "record_failure"])
def test_text_is_dropped_when_job_ends(
    client: redis.Redis, running: JobContext, rq_worker: RqWorker, end: str
) -> None:
    """A finished or failed job holds no text, and RQ's tools can still read it."""
    assert b"secret 1" in read_text(client)
    assert b"secret answer" in read_text(client)
    rq_worker.release_quota(JOB.id)
    assert b"secret" not in read_text(client)
    getattr(rq_worker, end)(running, "answered")

    assert b"secret" not in read_text(client)
    found = Queue(QUEUE_NAME, connection=client, serializer=JSONSerializer).fetch_job(JOB.id)
    assert found is not None
    assert found.args == []
    assert 0 < ttl_seconds(client, JOB.id) <= keys.TEXT_TTL_SECONDS


def test_job_that_ends_after_purge_leaves_no_hash(
    client: redis.Redis, running: JobContext, rq_worker: RqWorker
) -> None:
    """RQ's record of the end does not create a deleted job again."""
    Purge(client).drop_team("T1")
    rq_worker.release_quota(JOB.id)
    rq_worker.record_success(running, "answered")

    assert [key for key in client.scan_iter() if b"T1" in key] == []


async def test_attempt_does_not_restore_deleted_job(
    client: redis.Redis, loop_client: Redis, running: JobContext
) -> None:
    """A worker whose job is deleted before generation stops there."""
    client.delete(KEY)
    state = JobState(loop_client, running.lease, 15)

    with pytest.raises(LeaseLostError):
        await state.count_attempt()
    assert not await asyncio.to_thread(client.exists, KEY)


def test_late_record_keeps_job_that_was_accepted_again(
    client: redis.Redis, job_queue: PreparedQueue, running: JobContext, rq_worker: RqWorker
) -> None:
    """A question that is answered again waits, although its earlier execution ends only now."""
    rq_worker.release_quota(JOB.id)
    assert job_queue.enqueue_reanswer(JOB, "2.000000", None).outcome == "accepted"
    rq_worker.record_success(running, "answered")

    assert rq_status(client, JOB.id) == "queued"
    assert b"secret 1" in read_text(client)


def test_released_job_of_dead_worker_is_not_run_again(
    client: redis.Redis, running: JobContext, rq_worker: RqWorker
) -> None:
    """A worker that dies between release and record has answered: the job is over."""
    rq_worker.release_quota(JOB.id)
    client.delete(keys.job_lease(JOB.id))
    assert LeaseManager(client, 30.0, "w2").reap_jobs() == []

    assert rq_status(client, JOB.id) == "finished"
    assert runnable_job_ids(client) == []
    assert 0 < ttl_seconds(client, JOB.id) <= keys.TEXT_TTL_SECONDS
