"""Job queue: each question is enqueued once, in order, within its limits."""

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as AwayError
from rq.job import JobStatus

from bot.store.acceptance import EnqueueOutcome, QueueLimits, Receipt
from bot.store.client import connect_redis
from bot.store.inbox import Inbox
from bot.store.job_queue import CanceledJob
from bot.store.received import ReceivedMessage
from contract import keys
from contract.conversation import Speaker, Turn
from contract.job import FUNCTION_NAME, JOB_DESCRIPTION, Job, Thread
from testing.prepared_queue import PreparedQueue, post_of
from testing.queue_inspector import fetch_rq_job, finish_job, pending_job_ids, runnable_job_ids
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, LIN, message_ts

THREAD = Thread(team=BOT_IDENTITY.team, channel=CHANNEL, ts=message_ts(1))
FILE_FIELD = f"{keys.FILE_ID_PREFIX}2"


@pytest.fixture
def queue(redis: Redis) -> PreparedQueue:
    """Return an queue with small limits."""
    return PreparedQueue(redis, QueueLimits(max_pending=4, max_per_user=2, max_running_per_user=1))


def make_job(number: int, user: str = ADA, thread: int | None = None) -> Job:
    """Return the job of the message with this number, in a separate thread by default."""
    return Job(
        thread=THREAD.model_copy(update={"ts": message_ts(thread or number)}),
        ts=message_ts(number),
        user=user,
        user_team=BOT_IDENTITY.team,
        turns=(Turn(speaker=Speaker.USER, text="what is a mutex?", ts=message_ts(number)),),
    )


def test_question_becomes_rq_job(queue: PreparedQueue, redis: Redis) -> None:
    """RQ's own tools see the job; its text is in the payload alone, without pickle."""
    job = make_job(1)
    receipt = queue.enqueue(job)

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


def test_question_is_enqueued_once(queue: PreparedQueue, redis: Redis) -> None:
    """A repeated message makes no second job, also after its answer."""
    queue.enqueue(make_job(1))

    assert queue.enqueue(make_job(1)).outcome is EnqueueOutcome.DUPLICATE
    finish_job(redis, make_job(1).id)
    assert queue.enqueue(make_job(1)).outcome is EnqueueOutcome.DUPLICATE
    assert queue.is_duplicate(BOT_IDENTITY.team, CHANNEL, message_ts(1))
    assert not queue.is_duplicate(BOT_IDENTITY.team, CHANNEL, message_ts(2))


def test_same_client_msg_id_is_enqueued_once(queue: PreparedQueue, redis: Redis) -> None:
    """Two messages with one `client_msg_id` make one job."""
    queue.enqueue(make_job(1), client_msg_id="3a7c")

    assert queue.enqueue(make_job(2), client_msg_id="3a7c").outcome is EnqueueOutcome.DUPLICATE
    assert queue.enqueue(make_job(3), client_msg_id="9b1d").outcome is EnqueueOutcome.ACCEPTED
    assert pending_job_ids(redis) == [make_job(1).id, make_job(3).id]


def test_thread_queue_is_ordered(queue: PreparedQueue, redis: Redis) -> None:
    """The second question of a thread waits for the first, also of another user."""
    queue.enqueue(make_job(1))
    receipt = queue.enqueue(make_job(2, user=LIN, thread=1))

    assert receipt.position == 1
    assert runnable_job_ids(redis) == [make_job(1).id]
    assert fetch_rq_job(redis, make_job(2).id).get_status() is JobStatus.DEFERRED
    finish_job(redis, make_job(1).id)
    assert runnable_job_ids(redis)[-1] == make_job(2).id


def test_user_quota_limits_pending_and_running_jobs(queue: PreparedQueue, redis: Redis) -> None:
    """A user's jobs are limited, and do not delay others."""
    first, second, third = (queue.enqueue(make_job(number)) for number in (1, 2, 3))
    other = queue.enqueue(make_job(4, user=LIN))

    assert (first.outcome, second.outcome) == (EnqueueOutcome.ACCEPTED, EnqueueOutcome.ACCEPTED)
    assert third == Receipt(
        make_job(3).id, EnqueueOutcome.USER_QUOTA_EXCEEDED, position=2, pending=2
    )
    assert other.outcome is EnqueueOutcome.ACCEPTED
    assert runnable_job_ids(redis) == [make_job(1).id, make_job(4).id]
    assert not queue.is_duplicate(BOT_IDENTITY.team, CHANNEL, message_ts(3))


def test_full_queue_refuses_without_marker(queue: PreparedQueue) -> None:
    """A refused question has no idempotency key, so it may be asked again."""
    for number in range(1, 5):
        queue.enqueue(make_job(number, user=f"U{number}"))
    receipt = queue.enqueue(make_job(5))

    assert receipt == Receipt(make_job(5).id, EnqueueOutcome.QUEUE_FULL, position=4, pending=4)
    assert not queue.is_duplicate(BOT_IDENTITY.team, CHANNEL, message_ts(5))


def test_undecided_messages_have_twice_the_limits(queue: PreparedQueue, redis: Redis) -> None:
    """Once one turns out to be a question, the limits decide by the order of acceptance."""
    inbox = Inbox(redis, BOT_IDENTITY.team, queue)
    received = [
        ReceivedMessage(post=post_of(make_job(number, user)), is_undecided=True)
        for number, user in enumerate([ADA] * 5 + [LIN], start=1)
    ]
    accepted = [inbox.accept(one).outcome for one in received]
    checked = [inbox.check_limits(one).outcome for one in received if one is not received[4]]

    taken, exceeded = EnqueueOutcome.ACCEPTED, EnqueueOutcome.USER_QUOTA_EXCEEDED
    assert accepted == [taken] * 4 + [exceeded, taken]
    assert checked == [taken] * 2 + [exceeded] * 2 + [EnqueueOutcome.QUEUE_FULL]
    queue.cancel_job(make_job(1).id)
    assert inbox.check_limits(received[2]).outcome is taken
    # Not in the queue any more, it would be the last.
    assert inbox.check_limits(received[0]).outcome is EnqueueOutcome.QUEUE_FULL


def test_message_is_marked_as_handled_once(queue: PreparedQueue) -> None:
    """A message that was marked is no question afterwards."""
    assert queue.mark_as_handled(BOT_IDENTITY.team, CHANNEL, message_ts(1))
    assert not queue.mark_as_handled(BOT_IDENTITY.team, CHANNEL, message_ts(1))
    assert queue.enqueue(make_job(1)).outcome is EnqueueOutcome.DUPLICATE


def test_cancelled_job_leaves_queue_and_text(queue: PreparedQueue, redis: Redis) -> None:
    """The next question of the thread moves up."""
    queue.enqueue(make_job(1))
    queue.enqueue(make_job(2, thread=1))

    assert queue.cancel_job(make_job(1).id) == CanceledJob()
    assert pending_job_ids(redis) == [make_job(2).id]
    assert runnable_job_ids(redis) == [make_job(2).id]
    assert not redis.exists(f"rq:job:{make_job(1).id}")
    assert queue.enqueue(make_job(1)).outcome is EnqueueOutcome.DUPLICATE


def test_deferred_job_is_cancelled(queue: PreparedQueue, redis: Redis) -> None:
    """A job behind another one leaves its thread queue."""
    queue.enqueue(make_job(1))
    queue.enqueue(make_job(2, thread=1))
    queue.cancel_job(make_job(2).id)

    assert pending_job_ids(redis) == [make_job(1).id]
    finish_job(redis, make_job(1).id)
    assert make_job(2).id not in runnable_job_ids(redis)


def test_cancel_returns_orphaned_placeholder(queue: PreparedQueue, redis: Redis) -> None:
    """The placeholder of a cancelled job is returned for deletion."""
    queue.enqueue(make_job(1))
    redis.hset(f"rq:job:{make_job(1).id}", keys.PLACEHOLDER, message_ts(9))

    assert queue.cancel_job(make_job(1).id) == CanceledJob(orphan_ts=message_ts(9))


def test_cancel_leaves_a_finished_reply_until_a_worker_begins(
    queue: PreparedQueue, redis: Redis
) -> None:
    """The message that a rework is to change is no placeholder before."""
    for worker, orphan_ts in (("", None), ("w1", message_ts(9))):
        queue.enqueue(make_job(1))
        fields = {keys.PLACEHOLDER: message_ts(9), keys.REWORK: "regenerate"}
        for name, value in (fields | {"worker_name": worker}).items():
            redis.hset(f"rq:job:{make_job(1).id}", name, value)
        assert queue.cancel_job(make_job(1).id) == CanceledJob(orphan_ts=orphan_ts)
        redis.flushall()


def test_running_job_gets_stop_command(queue: PreparedQueue, redis: Redis) -> None:
    """The worker gets RQ's stop command and ends the job itself."""
    queue.enqueue(make_job(1))
    redis.hset(f"rq:job:{make_job(1).id}", mapping={"status": "started", "worker_name": "w1"})
    heard = redis.pubsub()  # type: ignore[no-untyped-call]
    heard.subscribe("rq:pubsub:w1")
    heard.get_message(timeout=5)

    assert queue.cancel_job(make_job(1).id) == CanceledJob()
    message = heard.get_message(timeout=5)
    assert message is not None
    assert make_job(1).id in message["data"].decode()
    assert pending_job_ids(redis) == [make_job(1).id]
    heard.close()


def test_job_without_worker_gets_no_stop_command(queue: PreparedQueue, redis: Redis) -> None:
    """The next worker that takes the job ends it."""
    queue.enqueue(make_job(1))
    redis.hset(f"rq:job:{make_job(1).id}", "status", "started")

    assert queue.cancel_job(make_job(1).id) == CanceledJob()


def test_cancel_deletes_text_of_answered_job(queue: PreparedQueue, redis: Redis) -> None:
    """Deleting an answered question deletes its job's hash."""
    queue.enqueue(make_job(1))
    finish_job(redis, make_job(1).id)
    redis.hset(f"rq:job:{make_job(1).id}", mapping={"status": "finished", FILE_FIELD: "F1"})

    assert queue.cancel_job(make_job(1).id) == CanceledJob(
        has_reply=True, file_ids=frozenset({"F1"})
    )
    assert not redis.exists(f"rq:job:{make_job(1).id}")


def test_cancel_leaves_end_of_concluded_job_to_worker(queue: PreparedQueue, redis: Redis) -> None:
    """A worker that has posted the reply still records the end; the reply is known as posted."""
    queue.enqueue(make_job(1))
    redis.hset(
        f"rq:job:{make_job(1).id}",
        mapping={"status": "started", "worker_name": "w1", keys.OUTCOME: "answered"},
    )

    assert queue.cancel_job(make_job(1).id) == CanceledJob(has_reply=True)
    assert pending_job_ids(redis) == [make_job(1).id]
    assert not redis.hexists(f"rq:job:{make_job(1).id}", keys.WITHDRAWN)


def test_cancel_of_unknown_job_is_harmless(queue: PreparedQueue) -> None:
    """Most deleted messages were no questions."""
    assert queue.cancel_job("T0FAKE0001-C0GENERAL1-1-1") == CanceledJob()


def test_all_keys_have_ttls(queue: PreparedQueue, redis: Redis) -> None:
    """Each key has a TTL except two without text and the job hash, which gets one at its end."""
    queue.enqueue(make_job(1), client_msg_id="3a7c")
    queue.enqueue(make_job(2, thread=1))
    found = {key.decode() for key in redis.keys("starchat:*") if isinstance(key, bytes)}
    endless = {key for key in found if redis.ttl(key) < 0}

    assert endless == {keys.REDIS_SENTINEL, keys.PENDING_JOBS}


def test_unreachable_redis_raises() -> None:
    """Each method raises `RedisError`."""
    queue = PreparedQueue(connect_redis("unix:///nowhere.sock"), QueueLimits())
    with pytest.raises(AwayError):
        queue.enqueue(make_job(1))


def test_offers_to_one_user_are_bounded(queue: PreparedQueue) -> None:
    """Many edits in one minute do not make the bot flood Slack with offers."""
    offers = [queue.count_offer("T1", "C1", "U1") for _ in range(8)]

    assert offers == [True] * 5 + [False] * 3
    assert queue.count_offer("T1", "C1", "U2")
