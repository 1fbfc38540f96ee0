"""Order of a thread's queue: by the time of the question, among what has not begun."""

from dataclasses import replace
from typing import Any

from contract import keys
from contract.job import job_id
from tests.contract.queue_scripts import CHANNEL, JOB_PREFIX, TEAM, QueueScripts


def thread_order(queue: QueueScripts, thread: str = "1.0") -> list[str]:
    """Return the messages of a thread's queue, the next one first."""
    found: Any = queue.redis.lrange(keys.thread_queue(TEAM, CHANNEL, thread), 0, -1)
    return [job.decode().split("-", 2)[2].replace("-", ".") for job in found]


def test_late_question_goes_before_waiting_ones(queue: QueueScripts) -> None:
    """The head that has not begun gives its place back."""
    for ts in ("3.1", "4.1", "2.1"):
        queue.enqueue_job(ts)

    assert thread_order(queue) == ["2.1", "3.1", "4.1"]
    assert queue.runnable_jobs() == ["2.1"]
    assert queue.job_statuses(["3.1", "4.1"]) == ["deferred", "deferred"]
    assert queue.deferred_jobs() == {"3.1", "4.1"}
    queue.run_all_jobs()
    assert queue.quota_keys() == set()


def test_late_question_stays_behind_a_running_one(queue: QueueScripts) -> None:
    """What has begun is not interrupted."""
    queue.enqueue_job("3.1")
    queue.start_next()
    queue.enqueue_job("4.1")
    queue.enqueue_job("2.1")

    assert thread_order(queue) == ["3.1", "2.1", "4.1"]
    queue.end_job("3.1")
    assert queue.runnable_jobs() == ["2.1"]


def test_late_question_stays_behind_a_dequeued_one(queue: QueueScripts) -> None:
    """A job that a worker has dequeued, but not yet claimed, counts as begun."""
    queue.enqueue_job("3.1")
    queue.withdraw_job("3.1")
    queue.enqueue_job("2.1")

    assert thread_order(queue) == ["3.1", "2.1"]
    assert queue.job_status("3.1") == "queued"


def test_late_question_stays_behind_a_requeued_one(queue: QueueScripts) -> None:
    """A job whose worker died has begun: its reply may be in the thread."""
    queue.enqueue_job("3.1")
    queue.redis.hset(JOB_PREFIX + "T1-C1-3-1", "worker_name", "w")
    queue.enqueue_job("2.1")

    assert thread_order(queue) == ["3.1", "2.1"]


def test_late_question_passes_a_deleted_one(queue: QueueScripts) -> None:
    """A job that RQ's tools deleted holds up no order."""
    queue.enqueue_job("3.1")
    queue.enqueue_job("4.1")
    queue.delete_job("4.1")
    queue.enqueue_job("2.1")

    assert thread_order(queue) == ["2.1", "3.1", "4.1"]


def test_ended_question_leaves_no_text_before_its_read(queue: QueueScripts) -> None:
    """A question that ends before its thread is read loses the message too."""
    queue.enqueue_job("2.1")
    key = JOB_PREFIX + job_id(TEAM, CHANNEL, "2.1")
    queue.redis.hset(key, keys.RECEIVED, "hunter2")
    queue.release_job("2.1")

    assert queue.redis.hget(key, keys.RECEIVED) is None


def test_slot_of_a_late_question_goes_to_its_user(queue: QueueScripts) -> None:
    """The slot that a head gives back is used by its user's next thread."""
    limited = replace(queue, max_running_per_user=1)
    limited.enqueue_job("3.1", user="U1")
    limited.enqueue_job("5.1", thread="5.0", user="U1")
    assert limited.runnable_jobs() == ["3.1"]
    limited.enqueue_job("2.1", user="U2")

    assert limited.runnable_jobs() == ["5.1", "2.1"]
    limited.run_all_jobs()
    assert limited.quota_keys() == set()


def test_waiting_head_leaves_its_users_line(queue: QueueScripts) -> None:
    """A head that waits for a slot does not take it once it is no head any more."""
    limited = replace(queue, max_running_per_user=1)
    limited.enqueue_job("5.1", thread="5.0", user="U1")
    limited.enqueue_job("3.1", user="U1")
    limited.enqueue_job("2.1", user="U2")
    assert limited.runnable_jobs() == ["5.1", "2.1"]
    limited.start_next()
    limited.end_job("5.1")

    assert limited.runnable_jobs() == ["2.1"]
    limited.run_all_jobs()
    assert limited.quota_keys() == set()
