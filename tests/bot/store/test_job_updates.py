"""Job updates: a waiting or running job gets new text atomically."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from bot.store.acceptance import QueueLimits
from bot.store.job_updates import JobUpdates, UpdateOutcome
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import QUEUE_NAME, Job, Thread
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import fetch_rq_job, pending_job_ids, runnable_job_ids
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, message_ts

THREAD = Thread(team=BOT_IDENTITY.team, channel=CHANNEL, ts=message_ts(1))


@pytest.fixture
def queue(redis: Redis) -> PreparedQueue:
    """Return the bot's queue."""
    return PreparedQueue(redis, QueueLimits())


@pytest.fixture
def updates(redis: Redis) -> JobUpdates:
    """Return job updates."""
    return JobUpdates(redis)


def make_job(number: int, text: str = "before") -> Job:
    """Return the job of a message of one thread."""
    turn = Turn(speaker=Speaker.USER, text=text, ts=message_ts(number))
    return Job(
        thread=THREAD, ts=message_ts(number), user=ADA, user_team=BOT_IDENTITY.team, turns=(turn,)
    )


def replace_question(job: Job, text: str) -> Job:
    """Return the job with another question."""
    turn = job.question.model_copy(update={"text": text})
    return job.model_copy(update={"turns": (*job.turns[:-1], turn)})


def read_question(redis: Redis, job: Job) -> str:
    """Return the question that a worker would read."""
    return Job.from_json(fetch_rq_job(redis, job.id).args[0]).question.text


def set_job_fields(redis: Redis, job: Job, **fields: str) -> None:
    """Write on a job's hash."""
    for name, value in fields.items():
        redis.hset(f"rq:job:{job.id}", name, value)


def test_waiting_job_is_updated_in_place(
    queue: PreparedQueue, updates: JobUpdates, redis: Redis
) -> None:
    """A queued or deferred job gets the new text and keeps its position."""
    first, second = make_job(1), make_job(2)
    queue.enqueue(first)
    queue.enqueue(second)
    set_job_fields(redis, first, **{keys.ATTEMPTS: "2"})
    line = (runnable_job_ids(redis), pending_job_ids(redis), updates.list_unfinished_jobs(THREAD))
    for job in (first, second):
        outcome = updates.replace_payload(
            job.id, lambda old: replace_question(old, "after"), restart=True
        )
        assert outcome is UpdateOutcome.UPDATED
        assert read_question(redis, job) == "after"

    assert (
        runnable_job_ids(redis),
        pending_job_ids(redis),
        updates.list_unfinished_jobs(THREAD),
    ) == line
    assert line[2] == [first.id, second.id]
    assert not redis.hexists(f"rq:job:{first.id}", keys.ATTEMPTS)


def test_running_job_is_restarted_on_request(
    queue: PreparedQueue, updates: JobUpdates, redis: Redis
) -> None:
    """The worker gets a command, and the revision changes in case it misses it."""
    job = make_job(1)
    queue.enqueue(job)
    set_job_fields(redis, job, status="started", worker_name="w1")
    heard = redis.pubsub()  # type: ignore[no-untyped-call]
    heard.subscribe("rq:pubsub:w1")
    heard.get_message(timeout=5)

    kept = updates.replace_payload(
        job.id, lambda old: replace_question(old, "after"), restart=False
    )
    assert (kept, read_question(redis, job)) == (UpdateOutcome.RUNNING, "before")
    assert not redis.hexists(f"rq:job:{job.id}", keys.REVISION)
    restarted = updates.replace_payload(
        job.id, lambda old: replace_question(old, "after"), restart=True
    )
    assert (restarted, read_question(redis, job)) == (UpdateOutcome.RESTARTED, "after")
    assert redis.hget(f"rq:job:{job.id}", keys.REVISION) == b"1"
    message = heard.get_message(timeout=5)
    assert json.loads(message["data"]) == {"command": keys.RESTART_COMMAND, "job_id": job.id}
    heard.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "started", keys.ANSWER: "text"},
        {"status": "queued", keys.ANSWER: "text"},
        {"status": "started", keys.OUTCOME: "refused"},
        {"status": "finished"},
        {"status": "failed"},
    ],
)
def test_answered_job_is_not_updated(
    queue: PreparedQueue, updates: JobUpdates, redis: Redis, fields: dict[str, str]
) -> None:
    """After the answer is saved, an edit is too late."""
    job = make_job(1)
    queue.enqueue(job)
    set_job_fields(redis, job, **fields)

    outcome = updates.replace_payload(
        job.id, lambda old: replace_question(old, "after"), restart=True
    )
    assert (outcome, read_question(redis, job)) == (UpdateOutcome.ANSWERED, "before")


def test_unchanged_payload_is_not_written(
    queue: PreparedQueue, updates: JobUpdates, redis: Redis
) -> None:
    """The same text, no text, a long text and no job change nothing."""
    job = make_job(1)
    assert updates.replace_payload(job.id, lambda old: old, restart=True) is UpdateOutcome.GONE
    queue.enqueue(job)

    assert updates.replace_payload(job.id, lambda old: old, restart=True) is UpdateOutcome.UNCHANGED
    assert updates.replace_payload(job.id, lambda _: None, restart=True) is UpdateOutcome.UNCHANGED
    long = updates.replace_payload(
        job.id, lambda old: replace_question(old, "x" * 300_000), restart=True
    )
    assert long is UpdateOutcome.UNCHANGED
    set_job_fields(redis, job, data="no payload of ours")
    assert updates.replace_payload(job.id, lambda old: old, restart=True) is UpdateOutcome.GONE
    assert not redis.hexists(f"rq:job:{job.id}", keys.REVISION)


def test_concurrent_edits_are_both_applied(
    queue: PreparedQueue, updates: JobUpdates, redis: Redis
) -> None:
    """The second edit rebuilds the payload that the first one wrote."""
    job = make_job(1, "")
    queue.enqueue(job)

    def write(letter: str) -> UpdateOutcome:
        return updates.replace_payload(
            job.id, lambda old: replace_question(old, old.question.text + letter), restart=True
        )

    with ThreadPoolExecutor(4) as threads:
        outcome = list(threads.map(write, "abcd"))
    assert set(outcome) == {UpdateOutcome.UPDATED}
    assert sorted(read_question(redis, job)) == list("abcd")


def test_update_gives_up_after_max_attempts(
    queue: PreparedQueue, updates: JobUpdates, redis: Redis
) -> None:
    """A payload that keeps changing is left unchanged."""
    job = make_job(1)
    queue.enqueue(job)
    written: list[str] = []

    def disturbed(old: Job) -> Job:
        written.append(f"{len(written)}")
        if len(written) % 2:
            JobUpdates(redis).replace_payload(job.id, disturbed, restart=True)
        return replace_question(old, written[-1] + "!")

    assert updates.replace_payload(job.id, disturbed, restart=True) is UpdateOutcome.UNCHANGED
    assert read_question(redis, job).endswith("!")


def test_reanswer_is_enqueued_once_per_edit(queue: PreparedQueue, redis: Redis) -> None:
    """The new job takes over the reply's message, and not the old answer."""
    job = make_job(1)
    queue.enqueue(job)
    name = f"rq:job:{job.id}"
    assert (
        queue.enqueue_reanswer(replace_question(job, "after"), message_ts(5), message_ts(2)).outcome
        == "duplicate"
    )
    redis.zrem(keys.PENDING_JOBS, job.id)
    redis.delete(
        keys.thread_queue(BOT_IDENTITY.team, CHANNEL, message_ts(1)),
        Queue(QUEUE_NAME, connection=redis).key,
    )
    set_job_fields(
        redis, job, status="finished", **{keys.ANSWER: "old", keys.PLACEHOLDER: message_ts(2)}
    )
    assert queue.has_job(BOT_IDENTITY.team, CHANNEL, message_ts(1))
    assert queue.find_placeholder(job.id) == message_ts(2)

    assert (
        queue.enqueue_reanswer(replace_question(job, "after"), message_ts(5), message_ts(2)).outcome
        == "accepted"
    )
    assert read_question(redis, job) == "after"
    assert redis.hget(name, keys.PLACEHOLDER) == message_ts(2).encode()
    assert redis.hexists(name, keys.PLACEHOLDER_OWNER)
    assert not redis.hexists(name, keys.ANSWER)
    assert runnable_job_ids(redis) == pending_job_ids(redis) == [job.id]
    assert (
        queue.enqueue_reanswer(replace_question(job, "after"), message_ts(5), message_ts(2)).outcome
        == "duplicate"
    )


def test_withdrawn_job_is_marked(queue: PreparedQueue, redis: Redis) -> None:
    """The mark refuses the answer if the worker misses the stop command."""
    job = make_job(1)
    queue.enqueue(job)
    set_job_fields(redis, job, status="started")
    queue.cancel_job(job.id)

    assert redis.hget(f"rq:job:{job.id}", keys.WITHDRAWN) == b"1"
    assert redis.hget(f"rq:job:{job.id}", keys.REVISION) == b"1"


def test_updated_payload_is_readable_by_rq(
    queue: PreparedQueue, updates: JobUpdates, redis: Redis
) -> None:
    """RQ's own serializer decodes an updated payload."""
    job = make_job(1)
    queue.enqueue(job)
    updates.replace_payload(job.id, lambda old: replace_question(old, "after"), restart=True)

    [found] = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer).jobs
    assert Job.from_json(found.args[0]) == replace_question(job, "after")
