"""Stops in Redis: a waiting job leaves the line, a running one is marked, an ended one stays."""

import pytest
from redis import Redis

from bot.store.acceptance import QueueLimits
from bot.store.inbox import Inbox
from bot.store.received import Received, ReceivedReanswer, ReceivedRework
from bot.store.stops import StopOutcome, StoppableJob, Stops
from contract import keys
from contract.job import Job
from contract.rework import Rework, ReworkKind
from contract.stop import StopRecord
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import (
    finish_job,
    make_job,
    pending_job_ids,
    rq_status,
    runnable_job_ids,
)

RECORD = StopRecord(user="U1", name="Ada")


@pytest.fixture
def queue(redis: Redis) -> PreparedQueue:
    """A queue in which one person has one slot."""
    return PreparedQueue(redis, QueueLimits(max_running_per_user=1))


@pytest.fixture
def stops(redis: Redis, queue: PreparedQueue) -> Stops:
    """Stops of the queue's team."""
    return Stops(redis, "T1", queue)


def find(stops: Stops, job: Job) -> StoppableJob:
    """Return a job that must exist."""
    found = stops.find_job(job.id)
    assert found is not None
    return found


def test_waiting_job_leaves_the_line(queue: PreparedQueue, stops: Stops, redis: Redis) -> None:
    """Its text is dropped, its quota is free, and the next question of the thread may run."""
    first, second, other = make_job(1), make_job(2, thread=1), make_job(3)
    for job in (first, second, other):
        queue.enqueue(job)
    assert runnable_job_ids(redis) == [first.id]

    assert stops.stop_job(find(stops, first), RECORD) is StopOutcome.STOPPED

    assert runnable_job_ids(redis) == [other.id]
    assert pending_job_ids(redis) == [second.id, other.id]
    assert b"secret" not in (redis.hget(f"rq:job:{first.id}", "data") or b"")
    assert stops.stop_job(find(stops, second), RECORD) is StopOutcome.STOPPED
    assert stops.list_open_jobs(first.thread) == []
    assert [job.id for job in stops.list_open_jobs(first.thread, in_channel=True)] == [other.id]


def test_rework_that_a_dead_worker_began_is_left_to_the_next(
    queue: PreparedQueue, stops: Stops, redis: Redis
) -> None:
    """That worker brings the reply back; one that no worker has begun leaves the line."""
    begun, waiting = make_job(1), make_job(2)
    for job in (begun, waiting):
        queue.enqueue(job)
        redis.hset(f"rq:job:{job.id}", keys.REWORK, "regenerate")
    redis.hset(f"rq:job:{begun.id}", "worker_name", "w1")

    assert stops.stop_job(find(stops, begun), RECORD) is StopOutcome.RUNNING
    assert runnable_job_ids(redis) == [begun.id]
    assert stops.stop_job(find(stops, waiting), RECORD) is StopOutcome.STOPPED


def test_dequeued_job_is_never_claimed(queue: PreparedQueue, stops: Stops, redis: Redis) -> None:
    """A worker that has taken its id from the queue finds that the job is over."""
    job = make_job(1)
    queue.enqueue(job)
    redis.lmove("rq:queue:starchat", "rq:queue:starchat:intermediate")

    assert stops.stop_job(find(stops, job), RECORD) is StopOutcome.STOPPED
    assert rq_status(redis, job.id) == "stopped"


def test_running_job_is_marked_and_followed_up(
    queue: PreparedQueue, stops: Stops, redis: Redis
) -> None:
    """The first person stays on record; once it waits again, it leaves the line."""
    job = make_job(1)
    queue.enqueue(job)
    redis.hset(f"rq:job:{job.id}", "status", "started")

    assert stops.stop_job(find(stops, job), RECORD) is StopOutcome.RUNNING
    assert stops.stop_job(find(stops, job), StopRecord(user="U2")) is StopOutcome.RUNNING
    assert redis.zscore(keys.stop_schedule("T1"), job.id) is not None
    redis.hset(f"rq:job:{job.id}", mapping={"status": "queued", keys.ATTEMPTS: "1"})
    assert stops.continue_stop(job.id) is StopOutcome.STOPPED
    assert stops.continue_stop(job.id) is StopOutcome.STOPPED

    stopped = stops.read_stopped(job.id)
    assert stopped is not None
    assert (stopped.record, stopped.has_run, stopped.placeholder) == (RECORD, True, None)
    assert runnable_job_ids(redis) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "started", keys.ANSWER: "Half"},
        {"status": "started", keys.OUTCOME: "answered"},
        {"status": "finished"},
        {"status": "failed"},
    ],
)
def test_ended_job_stays_as_it_is(
    queue: PreparedQueue, stops: Stops, redis: Redis, fields: dict[str, str]
) -> None:
    """An answer that is saved is posted whole."""
    job = make_job(1)
    queue.enqueue(job)
    for name, value in fields.items():
        redis.hset(f"rq:job:{job.id}", name, value)

    assert stops.stop_job(find(stops, job), RECORD) is StopOutcome.ENDED
    assert redis.hget(f"rq:job:{job.id}", keys.STOPPED_BY) is None
    assert stops.list_due() == []


@pytest.mark.parametrize(
    ("kind", "placeholder", "owner"),
    [
        ("rework", None, keys.BOT_AGAIN),
        ("reanswer", "7.0", keys.BOT_AGAIN),
        ("reanswer", None, None),
    ],
)
def test_stop_before_the_thread_is_read_keeps_the_reply(
    queue: PreparedQueue,
    stops: Stops,
    redis: Redis,
    kind: str,
    placeholder: str | None,
    owner: str | None,
) -> None:
    """A press on a reply is no new question whose end a thread must show."""
    job = make_job(1)
    Inbox(redis, "T1", queue).accept(build_request(job, kind, placeholder))
    assert stops.stop_job(find(stops, job), RECORD) is StopOutcome.STOPPED

    stopped = stops.read_stopped(job.id)
    assert stopped is not None
    assert (stopped.owner, stopped.has_run) == (owner, False)


def build_request(job: Job, kind: str, placeholder: str | None) -> Received:
    """Return a press below the reply to a job's question, or one to answer it again."""
    asked = {
        "thread": job.thread,
        "ts": job.ts,
        "user": job.user,
        "user_team": job.user_team,
        "files": frozenset(),
    }
    if kind == "reanswer":
        return ReceivedReanswer.model_validate(
            asked | {"version": "9.0", "placeholder": placeholder}
        )
    rework = Rework(kind=ReworkKind.REGENERATE, reply_id="0")
    return ReceivedRework.model_validate(asked | {"rework": rework, "pressed_at": "9.0"})


def test_follow_up_stops_no_other_job(queue: PreparedQueue, stops: Stops, redis: Redis) -> None:
    """A question that is asked again under the same id was not stopped."""
    job = make_job(1)
    assert stops.continue_stop(job.id) is StopOutcome.GONE
    queue.enqueue(job)
    assert stops.continue_stop(job.id) is StopOutcome.ENDED
    assert runnable_job_ids(redis) == [job.id]


def test_reply_is_found_by_its_message(queue: PreparedQueue, stops: Stops, redis: Redis) -> None:
    """A reaction on the placeholder names no question."""
    job, other = make_job(1), make_job(2)
    queue.enqueue(job)
    queue.enqueue(other)
    redis.hset(f"rq:job:{job.id}", keys.PLACEHOLDER, "7.0")

    found = stops.find_by_reply("C1", "7.0")
    assert found is not None
    assert found.id == job.id
    assert stops.find_by_reply("C1", "8.0") is None
    finish_job(redis, job.id)
    assert stops.find_by_reply("C1", "7.0") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("starchat_thread_queue", "poison"),
        ("starchat_thread_queue", "starchat:T1:thread_queue:C1:1"),
        ("starchat_thread_queue", b"\xff"),
        ("starchat_user_quota", "starchat:T1:user_quota:<!channel>"),
    ],
)
def test_malformed_job_is_none(
    queue: PreparedQueue, stops: Stops, redis: Redis, field: str, value: str
) -> None:
    """Redis may hold anything."""
    job = make_job(1)
    queue.enqueue(job)
    redis.hset(f"rq:job:{job.id}", field, value)

    assert stops.find_job(job.id) is None
    assert stops.find_job("T1-C1-nonsense") is None
    assert stops.list_open_jobs(job.thread) == []
