"""Queue scripts after jobs were deleted, or ended without release: nothing stays blocked."""

from dataclasses import replace

from contract import keys
from contract.job import job_id
from tests.contract.queue_scripts import (
    CHANNEL,
    JOB_PREFIX,
    TEAM,
    QueueScripts,
)


def test_deleted_job_does_not_block_its_thread(queue: QueueScripts) -> None:
    """A job deleted with RQ's tools is cleared away by the next question."""
    queue.enqueue_job("1.1")
    queue.enqueue_job("1.2")
    queue.delete_job("1.1")

    assert queue.enqueue_job("1.3") == ("accepted", 1, 2)
    assert queue.runnable_jobs() == ["1.2"]
    queue.end_job("1.2")
    assert queue.runnable_jobs() == ["1.2", "1.3"]


def test_deleted_jobs_free_their_slots(queue: QueueScripts) -> None:
    """Emptying RQ's queue frees the slots and quotas of its jobs."""
    limited = replace(queue, max_running_per_user=1, max_pending_per_user=2)
    limited.enqueue_job("1.1")
    limited.enqueue_job("2.1", thread="2.0")
    limited.delete_job("1.1")

    assert limited.enqueue_job("3.1", thread="3.0") == ("accepted", 1, 2)
    assert limited.runnable_jobs() == ["2.1"]
    limited.delete_job("2.1")
    limited.delete_job("3.1")
    assert limited.enqueue_job("4.1", thread="4.0") == ("accepted", 0, 1)
    assert limited.runnable_jobs() == ["4.1"]


def test_deleted_jobs_do_not_fill_the_queue(queue: QueueScripts) -> None:
    """Jobs that no longer exist do not count as pending."""
    limited = replace(queue, max_pending=3)
    for n in range(3):
        limited.enqueue_job(f"{n}.1", thread=f"{n}.0", user=f"U{n}")
        limited.delete_job(f"{n}.1")

    assert limited.enqueue_job("7.1", thread="7.0", user="U7") == ("accepted", 0, 1)


def test_deleted_next_job_is_skipped(queue: QueueScripts) -> None:
    """When a job ends, the next existing one is promoted."""
    for n in range(1, 5):
        queue.enqueue_job(f"1.{n}", user=f"U{n}")
    queue.enqueue_job("2.1", thread="2.0", user="U5")
    queue.delete_job("1.2")
    queue.delete_job("1.3")
    queue.end_job("1.1")

    assert queue.runnable_jobs() == ["1.1", "2.1", "1.4"]


def test_next_job_gets_slot_of_a_deleted_job(queue: QueueScripts) -> None:
    """A slot that a deleted job held is free."""
    limited = replace(queue, max_running_per_user=1)
    limited.enqueue_job("1.1")
    limited.enqueue_job("2.1", thread="2.0", user="U2")
    limited.enqueue_job("1.2", user="U2")
    limited.delete_job("2.1")
    limited.end_job("1.1")

    assert limited.runnable_jobs() == ["1.1", "1.2"]


def test_deleted_job_waiting_for_slot_is_skipped(queue: QueueScripts) -> None:
    """The freed slot goes to the next existing job, and no extra slot appears."""
    limited = replace(queue, max_running_per_user=1)
    for n in range(1, 4):
        limited.enqueue_job(f"{n}.1", thread=f"{n}.0")
    limited.delete_job("2.1")
    limited.end_job("1.1")

    assert limited.runnable_jobs() == ["1.1", "3.1"]
    assert limited.job_status("2.1") is None


def test_job_ended_but_not_released_blocks_none(
    queue: QueueScripts,
) -> None:
    """A process may die between the two; the next question clears the job away."""
    queue.enqueue_job("1.1")
    queue.enqueue_job("1.2")
    job = JOB_PREFIX + job_id(TEAM, CHANNEL, "1.1")
    queue.redis.hset(job, "status", "canceled")

    assert queue.enqueue_job("1.3").outcome == "accepted"
    assert queue.runnable_jobs() == ["1.1", "1.2"]
    assert queue.pending_jobs() == ["1.2", "1.3"]
    assert queue.release_job("1.1") == 0


def test_value_of_wrong_type_is_no_job(queue: QueueScripts) -> None:
    """A value of another type under a job's key does not stop the script."""
    queue.enqueue_job("1.1")
    queue.redis.delete(JOB_PREFIX + "T1-C1-1-1")
    queue.redis.set(JOB_PREFIX + "T1-C1-1-1", "nonsense")

    assert queue.enqueue_job("1.2") == ("accepted", 0, 1)


def test_thread_queue_skips_foreign_jobs(queue: QueueScripts) -> None:
    """A job that was put together by hand, without our fields, blocks no thread."""
    queue.enqueue_job("1.1")
    queue.redis.rpush(keys.thread_queue(TEAM, CHANNEL, "1.0"), "T1-C1-9-9")
    queue.redis.hset(JOB_PREFIX + "T1-C1-9-9", "status", "deferred")
    queue.enqueue_job("1.2")

    assert queue.end_job("1.1") == 1
    assert queue.runnable_jobs() == ["1.1", "1.2"]
    assert queue.release_job("9.9") == 0


def test_repair_promotes_next_job_of_thread(queue: QueueScripts) -> None:
    """No new question is needed: the worker's repair frees the thread queue, once."""
    for ts in ("1.1", "1.2", "1.3"):
        queue.enqueue_job(ts)
    queue.delete_job("1.1")
    assert queue.runnable_jobs() == []

    assert queue.repair_orphans() == 1
    assert (queue.runnable_jobs(), queue.pending_jobs()) == (["1.2"], ["1.2", "1.3"])
    assert queue.repair_orphans() == 0
    queue.run_all_jobs()
    assert queue.quota_keys() == set()


def test_repair_frees_slot_of_deleted_job(queue: QueueScripts) -> None:
    """The user's other thread gets the slot of a deleted job."""
    queue = replace(queue, max_running_per_user=1)
    queue.enqueue_job("1.1")
    queue.enqueue_job("2.1", thread="2.0")
    queue.delete_job("1.1")

    assert queue.repair_orphans() == 1
    assert queue.runnable_jobs() == ["2.1"]


def test_repair_is_bounded_and_keeps_valid_jobs(
    queue: QueueScripts,
) -> None:
    """It is cheap in a long queue; an unreadable job only leaves the deferred registry."""
    for number in range(1, 6):
        queue.enqueue_job(f"1.{number}")
    before = (queue.runnable_jobs(), queue.pending_jobs(), queue.deferred_jobs())
    assert queue.repair_orphans(max_jobs=2) == 0
    assert (queue.runnable_jobs(), queue.pending_jobs(), queue.deferred_jobs()) == before
    queue.redis.zadd("rq:deferred:starchat", {"T1-C1-9-9": 1, "T1-C1-8-8": 2})
    queue.redis.set(JOB_PREFIX + "T1-C1-8-8", "no hash")

    assert queue.repair_orphans() == 0
    assert queue.deferred_jobs() == before[2]


def test_repair_reads_each_job_of_one_user_a_few_times(queue: QueueScripts) -> None:
    """A script holds Redis, so its reads must not grow with the square of the jobs."""
    jobs = 60
    for number in range(1, jobs + 1):
        queue.enqueue_job(f"{number}.1", thread=f"{number}.0")
    queue.redis.config_resetstat()

    assert queue.repair_orphans() == 0
    assert queue.redis.info("commandstats")["cmdstat_hmget"]["calls"] < 10 * jobs


def test_wrong_key_of_another_user_loses_no_question(queue: QueueScripts) -> None:
    """An earlier question takes the slot of another user's, whose keys are checked first."""
    queue.enqueue_job("1.5", user="U2")
    running = f"{keys.user_quota(TEAM, 'U2')}:running"
    queue.redis.delete(running)
    queue.redis.set(running, "nonsense")

    assert queue.enqueue_job("1.3", user="U1").outcome == "accepted"
    assert queue.runnable_jobs() == ["1.3"]
    assert queue.redis.get(f"starchat:set_aside:{running}") == b"nonsense"
