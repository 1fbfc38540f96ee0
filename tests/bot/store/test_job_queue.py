"""A turn goes into Redis once, with its text for as long as it is needed and no longer."""

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as AwayError
from rq.job import JobStatus

from bot.store.client import connect_redis
from bot.store.job_queue import EnqueueOutcome, JobQueue, QueueLimits, Receipt
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import FUNCTION_NAME, JOB_DESCRIPTION, Job, Thread
from testing.queue_inspector import fetch_rq_job, finish_job, pending_job_ids, runnable_job_ids
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, LIN, message_ts

THREAD = Thread(team=BOT_IDENTITY.team, channel=CHANNEL, ts=message_ts(1))


@pytest.fixture
def outbox(redis: Redis) -> JobQueue:
    """Return an outbox with small limits."""
    return JobQueue(redis, QueueLimits(max_pending=4, max_per_user=2, max_running_per_user=1))


def make_job(number: int, user: str = ADA, thread: int | None = None) -> Job:
    """Return the job of the message with this number, a thread of its own unless told."""
    return Job(
        thread=THREAD.model_copy(update={"ts": message_ts(thread or number)}),
        ts=message_ts(number),
        user=user,
        user_team=BOT_IDENTITY.team,
        turns=(Turn(speaker=Speaker.USER, text="what is a mutex?", ts=message_ts(number)),),
    )


def test_a_turn_becomes_a_job_that_rq_can_run_and_count(outbox: JobQueue, redis: Redis) -> None:
    """RQ's own tools see the job; its text is in the payload alone, and nothing is pickled."""
    job = make_job(1)
    receipt = outbox.enqueue(job)

    assert receipt == Receipt(job.id, EnqueueOutcome.ACCEPTED, position=0, pending=1)
    assert runnable_job_ids(redis) == [job.id]
    found = fetch_rq_job(redis, job.id)
    assert found.get_status() is JobStatus.QUEUED
    assert (found.func_name, found.description, found.origin) == (
        FUNCTION_NAME,
        JOB_DESCRIPTION,
        "starchat",
    )
    assert Job.from_json(found.args[0]) == job
    assert found.retries_left == 3
    assert found.enqueue_at_front_on_retry
    assert 0 < (found.result_ttl or 0) <= keys.TEXT_TTL_SECONDS
    assert 0 < (found.failure_ttl or 0) <= keys.TEXT_TTL_SECONDS


def test_a_turn_is_taken_in_once(outbox: JobQueue, redis: Redis) -> None:
    """The same message twice is one job, also after it has been answered."""
    outbox.enqueue(make_job(1))

    assert outbox.enqueue(make_job(1)).outcome is EnqueueOutcome.DUPLICATE
    finish_job(redis, make_job(1).id)
    assert outbox.enqueue(make_job(1)).outcome is EnqueueOutcome.DUPLICATE
    assert outbox.is_duplicate(BOT_IDENTITY.team, CHANNEL, message_ts(1))
    assert not outbox.is_duplicate(BOT_IDENTITY.team, CHANNEL, message_ts(2))


def test_one_gesture_is_one_turn(outbox: JobQueue, redis: Redis) -> None:
    """A client that sends the same gesture twice, as two messages, gets one answer."""
    outbox.enqueue(make_job(1), client_msg_id="3a7c")

    assert outbox.enqueue(make_job(2), client_msg_id="3a7c").outcome is EnqueueOutcome.DUPLICATE
    assert outbox.enqueue(make_job(3), client_msg_id="9b1d").outcome is EnqueueOutcome.ACCEPTED
    assert pending_job_ids(redis) == [make_job(1).id, make_job(3).id]


def test_a_thread_answers_in_order(outbox: JobQueue, redis: Redis) -> None:
    """The second question of a thread waits for the first, whoever asked it."""
    outbox.enqueue(make_job(1))
    receipt = outbox.enqueue(make_job(2, user=LIN, thread=1))

    assert receipt.position == 1
    assert runnable_job_ids(redis) == [make_job(1).id]
    assert fetch_rq_job(redis, make_job(2).id).get_status() is JobStatus.DEFERRED
    finish_job(redis, make_job(1).id)
    assert runnable_job_ids(redis)[-1] == make_job(2).id


def test_one_person_cannot_fill_the_line(outbox: JobQueue, redis: Redis) -> None:
    """A person has so many slots and so many questions; others are not kept waiting by them."""
    first, second, third = (outbox.enqueue(make_job(number)) for number in (1, 2, 3))
    other = outbox.enqueue(make_job(4, user=LIN))

    assert (first.outcome, second.outcome) == (EnqueueOutcome.ACCEPTED, EnqueueOutcome.ACCEPTED)
    assert third == Receipt(
        make_job(3).id, EnqueueOutcome.USER_QUOTA_EXCEEDED, position=2, pending=2
    )
    assert other.outcome is EnqueueOutcome.ACCEPTED
    assert runnable_job_ids(redis) == [make_job(1).id, make_job(4).id]
    assert not outbox.is_duplicate(BOT_IDENTITY.team, CHANNEL, message_ts(3))


def test_a_full_line_takes_nobody_in(outbox: JobQueue) -> None:
    """Beyond the limit a question is declined, not lost: its marker is not set."""
    for number in range(1, 5):
        outbox.enqueue(make_job(number, user=f"U{number}"))
    receipt = outbox.enqueue(make_job(5))

    assert receipt == Receipt(make_job(5).id, EnqueueOutcome.QUEUE_FULL, position=4, pending=4)
    assert not outbox.is_duplicate(BOT_IDENTITY.team, CHANNEL, message_ts(5))


def test_a_message_is_claimed_once(outbox: JobQueue) -> None:
    """What is answered by a notice is answered once, and is no turn afterwards."""
    assert outbox.mark_as_handled(BOT_IDENTITY.team, CHANNEL, message_ts(1))
    assert not outbox.mark_as_handled(BOT_IDENTITY.team, CHANNEL, message_ts(1))
    assert outbox.enqueue(make_job(1)).outcome is EnqueueOutcome.DUPLICATE


def test_a_waiting_job_is_cancelled_with_its_text(outbox: JobQueue, redis: Redis) -> None:
    """A question that is taken back leaves the line at once, and the next one moves up."""
    outbox.enqueue(make_job(1))
    outbox.enqueue(make_job(2, thread=1))

    assert outbox.cancel_job(make_job(1).id) is None
    assert pending_job_ids(redis) == [make_job(2).id]
    assert runnable_job_ids(redis) == [make_job(2).id]
    assert not redis.exists(f"rq:job:{make_job(1).id}")
    assert outbox.enqueue(make_job(1)).outcome is EnqueueOutcome.DUPLICATE


def test_a_deferred_job_is_cancelled_too(outbox: JobQueue, redis: Redis) -> None:
    """A question that waits behind another one leaves its lane."""
    outbox.enqueue(make_job(1))
    outbox.enqueue(make_job(2, thread=1))
    outbox.cancel_job(make_job(2).id)

    assert pending_job_ids(redis) == [make_job(1).id]
    finish_job(redis, make_job(1).id)
    assert make_job(2).id not in runnable_job_ids(redis)


def test_the_placeholder_of_a_cancelled_job_is_named(outbox: JobQueue, redis: Redis) -> None:
    """What was already posted for a question is handed back to be deleted."""
    outbox.enqueue(make_job(1))
    redis.hset(f"rq:job:{make_job(1).id}", keys.PLACEHOLDER, message_ts(9))

    assert outbox.cancel_job(make_job(1).id) == message_ts(9)


def test_a_running_job_is_stopped_by_its_worker(outbox: JobQueue, redis: Redis) -> None:
    """The worker that runs the job hears RQ's stop command; the job stays its business."""
    outbox.enqueue(make_job(1))
    redis.hset(f"rq:job:{make_job(1).id}", mapping={"status": "started", "worker_name": "w1"})
    heard = redis.pubsub()  # type: ignore[no-untyped-call]
    heard.subscribe("rq:pubsub:w1")
    heard.get_message(timeout=5)

    assert outbox.cancel_job(make_job(1).id) is None
    message = heard.get_message(timeout=5)
    assert message is not None
    assert make_job(1).id in message["data"].decode()
    assert pending_job_ids(redis) == [make_job(1).id]
    heard.close()


def test_a_job_that_nobody_runs_any_more_needs_no_stopping(outbox: JobQueue, redis: Redis) -> None:
    """A job between two workers is left to the one that takes it next."""
    outbox.enqueue(make_job(1))
    redis.hset(f"rq:job:{make_job(1).id}", "status", "started")

    assert outbox.cancel_job(make_job(1).id) is None


def test_the_text_of_an_answered_job_goes_with_its_question(outbox: JobQueue, redis: Redis) -> None:
    """Deleting a question that was answered removes what Redis still holds of it."""
    outbox.enqueue(make_job(1))
    finish_job(redis, make_job(1).id)
    redis.hset(f"rq:job:{make_job(1).id}", "status", "finished")

    assert outbox.cancel_job(make_job(1).id) is None
    assert not redis.exists(f"rq:job:{make_job(1).id}")


def test_cancelling_what_never_was_a_job_is_harmless(outbox: JobQueue) -> None:
    """Most deleted messages were no questions."""
    assert outbox.cancel_job("T0FAKE0001-C0GENERAL1-1-1") is None


def test_everything_but_the_job_leaves_by_itself(outbox: JobQueue, redis: Redis) -> None:
    """Every key of ours has an end but two that hold no text; RQ sets the job's when it is done."""
    outbox.enqueue(make_job(1), client_msg_id="3a7c")
    outbox.enqueue(make_job(2, thread=1))
    found = {key.decode() for key in redis.keys("starchat:*") if isinstance(key, bytes)}
    endless = {key for key in found if redis.ttl(key) < 0}

    assert endless == {keys.REDIS_SENTINEL, keys.PENDING_JOBS}


def test_a_redis_that_is_away_is_an_error() -> None:
    """Nothing is promised while Redis cannot be reached."""
    outbox = JobQueue(connect_redis("unix:///nowhere.sock"), QueueLimits())
    with pytest.raises(AwayError):
        outbox.enqueue(make_job(1))
