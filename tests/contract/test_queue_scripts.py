"""Queue scripts: each job is enqueued once, in thread order, within its user's quota."""

from dataclasses import replace

from redis import Redis

from contract import keys
from testing.redis_server import RedisServer
from tests.contract.queue_scripts import (
    CHANNEL,
    JOB_PREFIX,
    QUEUE_INDEX,
    QUEUE_LIST,
    TEAM,
    QueueScripts,
)


def test_accepted_job_is_queued_in_rq(queue: QueueScripts) -> None:
    """The job is saved, on RQ's list, and known in RQ's index."""
    assert queue.enqueue_job("1.1") == ("accepted", 0, 1)

    assert queue.runnable_jobs() == ["1.1"]
    assert queue.job_status("1.1") == "queued"
    assert queue.redis.hget(JOB_PREFIX + "T1-C1-1-1", "data") == b"of 1.1"
    assert queue.redis.smembers(QUEUE_INDEX) == {QUEUE_LIST.encode()}
    assert queue.deferred_jobs() == set()


def test_redelivered_event_is_enqueued_once(queue: QueueScripts) -> None:
    """The job keeps its position, and nothing runs twice."""
    queue.enqueue_job("1.1")
    queue.enqueue_job("2.1", thread="2.0")

    assert queue.enqueue_job("2.1", thread="2.0") == ("duplicate", 1, 2)
    assert queue.runnable_jobs() == ["1.1", "2.1"]


def test_same_client_message_is_enqueued_once(queue: QueueScripts) -> None:
    """A client may send one message twice: the second is a duplicate of the first."""
    assert queue.enqueue_job("1.1", client_msg_id="g").outcome == "accepted"

    assert queue.enqueue_job("1.2", client_msg_id="g") == ("duplicate", 0, 1)
    assert queue.enqueue_job("1.3", client_msg_id="h").outcome == "accepted"
    assert queue.enqueue_job("1.1") == ("duplicate", 0, 2)


def test_finished_job_is_still_a_duplicate(queue: QueueScripts) -> None:
    """A late redelivery of an answered message starts nothing."""
    queue.enqueue_job("1.1", client_msg_id="g")
    queue.end_job("1.1")

    assert queue.enqueue_job("1.1") == ("duplicate", 0, 0)
    assert queue.enqueue_job("1.2", client_msg_id="g").outcome == "duplicate"
    assert queue.runnable_jobs() == ["1.1"]


def test_marked_message_without_job_is_a_duplicate(queue: QueueScripts) -> None:
    """The marker may name no job, if the bot itself answered the message."""
    queue.redis.set(keys.idempotency_key(TEAM, CHANNEL, "1.1"), "notice")

    assert queue.enqueue_job("1.1") == ("duplicate", 0, 0)


def test_thread_runs_its_jobs_in_order(queue: QueueScripts) -> None:
    """Only a thread's first unfinished job may run; the next follows when it ends."""
    for ts in ("1.1", "1.2", "1.3"):
        queue.enqueue_job(ts, user=f"U{ts[-1]}")
    assert queue.runnable_jobs() == ["1.1"]
    assert queue.deferred_jobs() == {"1.2", "1.3"}

    for ts, following in (("1.1", "1.2"), ("1.2", "1.3")):
        assert queue.start_next() == ts
        assert queue.end_job(ts) == 1
        assert queue.runnable_jobs() == [following]
        assert queue.job_status(following) == "queued"
    assert queue.deferred_jobs() == set()


def test_user_runs_at_most_their_slots(queue: QueueScripts) -> None:
    """A user's jobs in many threads run two at a time, oldest first; other users overtake."""
    for n in range(1, 5):
        queue.enqueue_job(f"{n}.1", thread=f"{n}.0")
    queue.enqueue_job("9.1", thread="9.0", user="U2")

    assert queue.runnable_jobs() == ["1.1", "2.1", "9.1"]
    queue.end_job("2.1")
    assert queue.runnable_jobs()[-1] == "3.1"
    queue.end_job("1.1")
    assert queue.runnable_jobs()[-1] == "4.1"


def test_slot_and_thread_may_be_freed_together(queue: QueueScripts) -> None:
    """The job that waits for the slot runs before the next of the same thread."""
    limited = replace(queue, max_running_per_user=1)
    limited.enqueue_job("1.1")
    limited.enqueue_job("2.1", thread="2.0")
    limited.enqueue_job("1.2")

    limited.end_job("1.1")
    assert limited.runnable_jobs() == ["1.1", "2.1"]
    limited.end_job("2.1")
    assert limited.runnable_jobs() == ["1.1", "2.1", "1.2"]
    limited.end_job("1.2")
    assert limited.quota_keys() == set()


def test_full_queue_refuses_and_marks_nothing(queue: QueueScripts) -> None:
    """A refused message may be sent again later."""
    limited = replace(queue, max_pending=2)
    limited.enqueue_job("1.1")
    limited.enqueue_job("2.1", thread="2.0", user="U2")

    assert limited.enqueue_job("3.1", thread="3.0", user="U3") == ("queue_full", 2, 2)
    limited.end_job("1.1")
    assert limited.enqueue_job("3.1", thread="3.0", user="U3") == ("accepted", 1, 2)


def test_exceeded_quota_refuses_and_marks_nothing(queue: QueueScripts) -> None:
    """One user cannot fill the queue; other users are still accepted."""
    limited = replace(queue, max_pending_per_user=2)
    limited.enqueue_job("1.1")
    limited.enqueue_job("1.2")

    assert limited.enqueue_job("1.3") == ("user_quota_exceeded", 2, 2)
    assert limited.enqueue_job("1.4", user="U2").outcome == "accepted"
    limited.end_job("1.1")
    assert limited.enqueue_job("1.3").outcome == "accepted"


def test_redelivery_to_full_queue_is_a_duplicate(queue: QueueScripts) -> None:
    """An accepted message is not refused when it is delivered again."""
    limited = replace(queue, max_pending=1)
    limited.enqueue_job("1.1")

    assert limited.enqueue_job("1.1") == ("duplicate", 0, 1)


def test_finishing_is_idempotent(queue: QueueScripts) -> None:
    """A worker that died before it recorded the end finishes the job again."""
    for ts in ("1.1", "1.2", "1.3"):
        queue.enqueue_job(ts)

    assert queue.release_job("1.1") == 1
    assert queue.release_job("1.1") == 0
    assert queue.runnable_jobs() == ["1.1", "1.2"]
    assert queue.deferred_jobs() == {"1.3"}
    assert queue.release_job("7.7") == 0


def test_withdrawn_job_blocks_no_other_job(queue: QueueScripts) -> None:
    """A deferred job, or one that waits for a slot, may end before it ran."""
    limited = replace(queue, max_running_per_user=1)
    limited.enqueue_job("1.1")
    limited.enqueue_job("1.2")
    limited.enqueue_job("2.1", thread="2.0")
    limited.enqueue_job("2.2", thread="2.0", user="U2")

    limited.end_job("1.2", "canceled")
    assert limited.runnable_jobs() == ["1.1"]
    limited.end_job("2.1", "canceled")
    assert limited.runnable_jobs() == ["1.1", "2.2"]
    limited.end_job("1.1")
    limited.end_job("2.2")
    assert limited.quota_keys() == set()


def test_job_that_ended_while_waiting_never_starts(queue: QueueScripts) -> None:
    """A slot that is freed later is not given to a released job."""
    limited = replace(queue, max_running_per_user=1)
    limited.enqueue_job("1.1")
    limited.enqueue_job("2.1", thread="2.0")
    limited.release_job("2.1")
    limited.end_job("1.1")

    assert limited.runnable_jobs() == ["1.1"]
    assert limited.quota_keys() == set()


def test_finished_jobs_hold_no_keys(queue: QueueScripts) -> None:
    """After the last job only the markers and RQ's jobs remain."""
    for n in range(6):
        queue.enqueue_job(f"{n}.1", thread=f"{n % 2}.0", user=f"U{n % 3}", client_msg_id=f"g{n}")
    queue.run_all_jobs()

    assert queue.quota_keys() == set()
    assert queue.deferred_jobs() == set()
    assert queue.pending_jobs() == []


def test_every_key_expires(queue: QueueScripts) -> None:
    """Each key has a TTL except the list of pending jobs, which is bounded."""
    limited = replace(queue, max_running_per_user=1)
    limited.enqueue_job("1.1", client_msg_id="g")
    limited.enqueue_job("2.1", thread="2.0")
    limited.enqueue_job("1.2")
    lives = {key: limited.redis.ttl(key) for key in limited.own_keys()}
    assert lives.pop(keys.PENDING_JOBS) == -1

    assert len(lives) == 10
    assert all(
        keys.IDEMPOTENCY_TTL_SECONDS - 60 <= seconds <= keys.QUEUE_TTL_SECONDS
        for seconds in lives.values()
    )
    assert (
        min(lives[keys.thread_queue(TEAM, CHANNEL, ts)] for ts in ("1.0", "2.0"))
        > 6 * 24 * keys.SECONDS_PER_HOUR
    )


def test_acknowledged_jobs_survive_a_server_crash(server: RedisServer, queue: QueueScripts) -> None:
    """Killed right after a response, Redis comes back with the whole queue."""
    for n in range(30):
        queue.enqueue_job(f"{n}.1", thread=f"{n % 4}.0", user=f"U{n % 3}", client_msg_id=f"g{n}")
    before = (
        queue.runnable_jobs(),
        queue.pending_jobs(),
        queue.deferred_jobs(),
        queue.quota_keys(),
    )
    server.kill_server()
    server.restart_server()

    with Redis.from_url(server.url) as client:
        restarted = QueueScripts(client)
        assert (
            restarted.runnable_jobs(),
            restarted.pending_jobs(),
            restarted.deferred_jobs(),
            restarted.quota_keys(),
        ) == before
        assert restarted.enqueue_job("3.1", thread="3.0").outcome == "duplicate"
        assert restarted.enqueue_job("x", client_msg_id="g3").outcome == "duplicate"
        restarted.run_all_jobs()
        assert restarted.quota_keys() == set()
