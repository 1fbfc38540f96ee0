"""RQ worker: a job is claimed once, and its end is recorded as RQ does."""

import tempfile
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker.base import BaseWorker

from contract import keys
from contract.job import QUEUE_NAME
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import make_job, rq_status, ttl_seconds
from testing.redis_server import RedisServer
from worker.jobs.job_context import Outcome
from worker.jobs.leases import INTERMEDIATE_QUEUE, JOB_PREFIX, QUEUE_KEY, LeaseManager
from worker.jobs.rq_worker import RqWorker


def test_job_is_started_and_finished_in_rqs_records(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker
) -> None:
    """RQ's tools see it queued, started by this worker, and finished with its outcome."""
    job = make_job(1)
    job_queue.enqueue(job)
    assert rq_worker.dequeue_job_id() == job.id
    context = rq_worker.claim_job(job.id)
    assert context is not None
    assert context.job == job
    assert context.age_seconds < 60
    assert rq_status(client, job.id) == "started"
    assert client.llen(INTERMEDIATE_QUEUE) == 0
    assert client.get(keys.job_lease(job.id)) == context.lease.execution_id.encode()
    [seen] = BaseWorker.all(connection=client, serializer=JSONSerializer)
    assert [e.job_id for e in seen.get_current_executions()] == [job.id]

    rq_worker.release_quota(job.id)
    rq_worker.record_success(context, "answered")

    queue = Queue(QUEUE_NAME, connection=client, serializer=JSONSerializer)
    found = queue.fetch_job(job.id)
    assert found is not None
    assert found.return_value() == {"outcome": "answered"}
    assert queue.finished_job_registry.get_job_ids(cleanup=False) == [job.id]
    assert queue.started_job_registry.get_job_ids(cleanup=False) == []
    assert not client.exists(keys.job_lease(job.id))
    assert 0 < ttl_seconds(client, job.id) <= keys.TEXT_TTL_SECONDS


def test_expired_jobs_are_removed_from_rqs_registries(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker
) -> None:
    """Jobs that have not expired stay."""
    queue = Queue(QUEUE_NAME, connection=client, serializer=JSONSerializer)
    for number, end in enumerate(
        (rq_worker.record_success, rq_worker.record_success, rq_worker.record_failure)
    ):
        job_queue.enqueue(make_job(number))
        context = rq_worker.claim_job(str(rq_worker.dequeue_job_id()))
        assert context is not None
        end(context, "over")
        rq_worker.release_quota(context.job.id)
    finished, failed = queue.finished_job_registry, queue.failed_job_registry
    old, new = make_job(0).id, make_job(1).id
    client.zadd(finished.key, {old: 1})
    client.zadd(failed.key, {make_job(2).id: 1})
    rq_worker.remove_expired_jobs()

    assert finished.get_job_ids(cleanup=False) == [new]
    assert failed.get_job_ids(cleanup=False) == []


def test_failed_job_expires_within_a_day(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker
) -> None:
    """Its record holds an outcome and no text."""
    job_queue.enqueue(make_job(1))
    context = rq_worker.claim_job(str(rq_worker.dequeue_job_id()))
    assert context is not None
    rq_worker.record_failure(context, "error_posted")
    queue = Queue(QUEUE_NAME, connection=client, serializer=JSONSerializer)
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == [context.job.id]
    assert 0 < ttl_seconds(client, context.job.id) <= keys.TEXT_TTL_SECONDS
    found = queue.fetch_job(context.job.id)
    assert found is not None
    result = found.latest_result()
    assert result is not None
    assert result.exc_string == "error_posted"


def test_withdrawn_job_leaves_nothing_in_redis(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker
) -> None:
    """The text of a deleted question is deleted too."""
    job = make_job(1)
    job_queue.enqueue(job)
    context = rq_worker.claim_job(str(rq_worker.dequeue_job_id()))
    assert context is not None
    rq_worker.release_quota(job.id)
    rq_worker.record_withdrawal(context, Outcome.WITHDRAWN)
    assert [name for name in client.scan_iter() if job.id.encode() in name] == []
    assert client.zcard("rq:wip:starchat") == 0


def test_empty_queue_yields_no_job(rq_worker: RqWorker) -> None:
    """One look at the queue takes a second at most."""
    assert rq_worker.dequeue_job_id() is None


def test_duplicate_id_is_claimed_once(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker
) -> None:
    """Further copies of the id are skipped."""
    job = make_job(1)
    job_queue.enqueue(job)
    client.rpush(QUEUE_KEY, job.id, job.id)
    contexts = [rq_worker.claim_job(str(rq_worker.dequeue_job_id())) for _ in range(3)]
    assert [context is not None for context in contexts] == [True, False, False]


def test_cancelled_job_is_skipped_and_the_next_one_runs(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker
) -> None:
    """A cancellation between dequeue and claim blocks nothing."""
    first, second = make_job(1), make_job(2, thread=1)
    job_queue.enqueue(first)
    job_queue.enqueue(second)
    job = str(rq_worker.dequeue_job_id())
    client.hset(JOB_PREFIX + job, "status", "canceled")
    assert rq_worker.claim_job(job) is None
    assert rq_worker.dequeue_job_id() == second.id


def test_id_dequeued_during_shutdown_is_returned(
    client: redis.Redis, job_queue: PreparedQueue, rq_worker: RqWorker
) -> None:
    """It is at the front of the queue again."""
    job_queue.enqueue(make_job(1))
    job_queue.enqueue(make_job(2))
    job = str(rq_worker.dequeue_job_id())
    rq_worker.return_job_id(job)
    assert client.lrange(QUEUE_KEY, 0, 0) == [job.encode()]
    assert client.llen(INTERMEDIATE_QUEUE) == 0


def test_worker_registers_again_after_redis_lost_it(
    client: redis.Redis, rq_worker: RqWorker
) -> None:
    """`rq info` shows the worker again."""
    client.flushall()
    rq_worker.send_heartbeat()
    [seen] = BaseWorker.all(connection=client, serializer=JSONSerializer)
    assert seen.name == "w1"
    assert seen.hostname == rq_worker.hostname


@pytest.mark.parametrize("name", ["my project", "a=b", "a#b", "50%25"])
def test_socket_path_may_contain_any_character(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker registers although redis-py can't parse its own address."""
    with tempfile.TemporaryDirectory(prefix="rq-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(Path(folder, name)))
        Path(folder, name).mkdir()
        with RedisServer() as server, redis.Redis.from_url(server.url) as client:
            worker = RqWorker(client, "worker-1", LeaseManager(client, 15.0, "w"), 60)
            worker.register_birth()  # type: ignore[no-untyped-call]
            [seen] = BaseWorker.all(connection=client, serializer=JSONSerializer)

    assert seen.name == "worker-1"
