"""A turn's place: taken once, in its thread's order, within its person's share, let go once."""

from dataclasses import replace

from redis import Redis

from contract import keys
from contract.job import job_id
from testing.redis_server import RedisServer
from tests.contract.queue_scripts import (
    CHANNEL,
    JOB_PREFIX,
    QUEUE_INDEX,
    QUEUE_LIST,
    TEAM,
    QueueScripts,
)


def test_an_accepted_turn_is_rq_s_to_run(places: QueueScripts) -> None:
    """The job is saved, on RQ's list, known in RQ's index, and it has its place."""
    assert places.enqueue_job("1.1") == ("accepted", 0, 1)

    assert places.runnable_jobs() == ["1.1"]
    assert places.job_status("1.1") == "queued"
    assert places.redis.hget(JOB_PREFIX + "T1-C1-1-1", "data") == b"of 1.1"
    assert places.redis.smembers(QUEUE_INDEX) == {QUEUE_LIST.encode()}
    assert places.deferred_jobs() == set()


def test_a_repeated_event_is_taken_in_once(places: QueueScripts) -> None:
    """Slack may deliver a message again: it keeps its place, and nothing runs twice."""
    places.enqueue_job("1.1")
    places.enqueue_job("2.1", thread="2.0")

    assert places.enqueue_job("2.1", thread="2.0") == ("duplicate", 1, 2)
    assert places.runnable_jobs() == ["1.1", "2.1"]


def test_the_same_gesture_is_taken_in_once(places: QueueScripts) -> None:
    """A client may send one gesture of a person as two messages: the second is the first."""
    assert places.enqueue_job("1.1", client_msg_id="g").outcome == "accepted"

    assert places.enqueue_job("1.2", client_msg_id="g") == ("duplicate", 0, 1)
    assert places.enqueue_job("1.3", client_msg_id="h").outcome == "accepted"
    assert places.enqueue_job("1.1") == ("duplicate", 0, 2)


def test_a_finished_turn_is_still_remembered(places: QueueScripts) -> None:
    """A late redelivery of an answered message starts nothing."""
    places.enqueue_job("1.1", client_msg_id="g")
    places.end_job("1.1")

    assert places.enqueue_job("1.1") == ("duplicate", 0, 0)
    assert places.enqueue_job("1.2", client_msg_id="g").outcome == "duplicate"
    assert places.runnable_jobs() == ["1.1"]


def test_a_marked_message_that_became_no_job_is_a_duplicate(places: QueueScripts) -> None:
    """The marker may hold what is no job, where the bot answered by itself."""
    places.redis.set(keys.idempotency_key(TEAM, CHANNEL, "1.1"), "notice")

    assert places.enqueue_job("1.1") == ("duplicate", 0, 0)


def test_a_thread_is_answered_in_its_order(places: QueueScripts) -> None:
    """Of one thread only the first unfinished turn may run; the next follows when it ends."""
    for ts in ("1.1", "1.2", "1.3"):
        places.enqueue_job(ts, user=f"U{ts[-1]}")
    assert places.runnable_jobs() == ["1.1"]
    assert places.deferred_jobs() == {"1.2", "1.3"}

    for ts, following in (("1.1", "1.2"), ("1.2", "1.3")):
        assert places.start_next() == ts
        assert places.end_job(ts) == 1
        assert places.runnable_jobs() == [following]
        assert places.job_status(following) == "queued"
    assert places.deferred_jobs() == set()


def test_a_person_has_so_many_slots(places: QueueScripts) -> None:
    """One person's turns in many threads run two at a time, the oldest first; others go ahead."""
    for n in range(1, 5):
        places.enqueue_job(f"{n}.1", thread=f"{n}.0")
    places.enqueue_job("9.1", thread="9.0", user="U2")

    assert places.runnable_jobs() == ["1.1", "2.1", "9.1"]
    places.end_job("2.1")
    assert places.runnable_jobs()[-1] == "3.1"
    places.end_job("1.1")
    assert places.runnable_jobs()[-1] == "4.1"


def test_a_slot_and_a_lane_may_come_free_together(places: QueueScripts) -> None:
    """Who waits for the slot goes before the next of the same thread, and none is lost."""
    one = replace(places, max_running_per_user=1)
    one.enqueue_job("1.1")
    one.enqueue_job("2.1", thread="2.0")
    one.enqueue_job("1.2")

    one.end_job("1.1")
    assert one.runnable_jobs() == ["1.1", "2.1"]
    one.end_job("2.1")
    assert one.runnable_jobs() == ["1.1", "2.1", "1.2"]
    one.end_job("1.2")
    assert one.quota_keys() == set()


def test_a_full_backlog_refuses_and_marks_nothing(places: QueueScripts) -> None:
    """When too many are pending a turn is refused, and may be sent again later."""
    small = replace(places, max_pending=2)
    small.enqueue_job("1.1")
    small.enqueue_job("2.1", thread="2.0", user="U2")

    assert small.enqueue_job("3.1", thread="3.0", user="U3") == ("queue_full", 2, 2)
    small.end_job("1.1")
    assert small.enqueue_job("3.1", thread="3.0", user="U3") == ("accepted", 1, 2)


def test_a_person_s_share_refuses_and_marks_nothing(places: QueueScripts) -> None:
    """One person cannot fill the backlog; others are still taken in."""
    small = replace(places, max_pending_per_user=2)
    small.enqueue_job("1.1")
    small.enqueue_job("1.2")

    assert small.enqueue_job("1.3") == ("user_quota_exceeded", 2, 2)
    assert small.enqueue_job("1.4", user="U2").outcome == "accepted"
    small.end_job("1.1")
    assert small.enqueue_job("1.3").outcome == "accepted"


def test_a_redelivered_turn_is_a_duplicate_even_when_full(places: QueueScripts) -> None:
    """Who is in is not told that there is no room."""
    small = replace(places, max_pending=1)
    small.enqueue_job("1.1")

    assert small.enqueue_job("1.1") == ("duplicate", 0, 1)


def test_finishing_twice_is_finishing_once(places: QueueScripts) -> None:
    """A worker that died before it could record the end finishes again, and nothing moves."""
    for ts in ("1.1", "1.2", "1.3"):
        places.enqueue_job(ts)

    assert places.release_job("1.1") == 1
    assert places.release_job("1.1") == 0
    assert places.runnable_jobs() == ["1.1", "1.2"]
    assert places.deferred_jobs() == {"1.3"}
    assert places.release_job("7.7") == 0


def test_a_turn_taken_back_while_it_waits_holds_nobody_up(places: QueueScripts) -> None:
    """A deferred turn, or one waiting for a slot, may end before it ran."""
    one = replace(places, max_running_per_user=1)
    one.enqueue_job("1.1")
    one.enqueue_job("1.2")
    one.enqueue_job("2.1", thread="2.0")
    one.enqueue_job("2.2", thread="2.0", user="U2")

    one.end_job("1.2", "canceled")
    assert one.runnable_jobs() == ["1.1"]
    one.end_job("2.1", "canceled")
    assert one.runnable_jobs() == ["1.1", "2.2"]
    one.end_job("1.1")
    one.end_job("2.2")
    assert one.quota_keys() == set()


def test_a_turn_that_ended_while_it_waited_never_starts(places: QueueScripts) -> None:
    """A slot that comes free later goes to nobody who was let go meanwhile."""
    one = replace(places, max_running_per_user=1)
    one.enqueue_job("1.1")
    one.enqueue_job("2.1", thread="2.0")
    one.release_job("2.1")
    one.end_job("1.1")

    assert one.runnable_jobs() == ["1.1"]
    assert one.quota_keys() == set()


def test_nothing_is_left_of_finished_turns(places: QueueScripts) -> None:
    """When all is answered, no place is held; only the markers and RQ's jobs remain."""
    for n in range(6):
        places.enqueue_job(f"{n}.1", thread=f"{n % 2}.0", user=f"U{n % 3}", client_msg_id=f"g{n}")
    places.run_all_jobs()

    assert places.quota_keys() == set()
    assert places.deferred_jobs() == set()
    assert places.pending_jobs() == []


def test_everything_of_ours_ends_by_itself(places: QueueScripts) -> None:
    """Each key has a lifetime, but for the list of pending jobs, which has a bound."""
    one = replace(places, max_running_per_user=1)
    one.enqueue_job("1.1", client_msg_id="g")
    one.enqueue_job("2.1", thread="2.0")
    one.enqueue_job("1.2")
    lives = {key: one.redis.ttl(key) for key in one.own_keys()}
    assert lives.pop(keys.PENDING_JOBS) == -1

    assert len(lives) == 9
    assert all(
        keys.IDEMPOTENCY_TTL_SECONDS - 60 <= seconds <= keys.QUEUE_TTL_SECONDS
        for seconds in lives.values()
    )
    assert (
        min(lives[keys.thread_queue(TEAM, CHANNEL, ts)] for ts in ("1.0", "2.0"))
        > 6 * 24 * keys.SECONDS_PER_HOUR
    )


def test_a_deleted_job_does_not_block_its_thread(places: QueueScripts) -> None:
    """Whoever deletes a job by RQ's tools leaves its place; the next turn clears it away."""
    places.enqueue_job("1.1")
    places.enqueue_job("1.2")
    places.delete_job("1.1")

    assert places.enqueue_job("1.3") == ("accepted", 1, 2)
    assert places.runnable_jobs() == ["1.2"]
    places.end_job("1.2")
    assert places.runnable_jobs() == ["1.2", "1.3"]


def test_deleted_jobs_do_not_use_up_a_person_s_slots(places: QueueScripts) -> None:
    """Emptying RQ's queue frees the slots and shares of those who were in it."""
    small = replace(places, max_running_per_user=1, max_pending_per_user=2)
    small.enqueue_job("1.1")
    small.enqueue_job("2.1", thread="2.0")
    small.delete_job("1.1")

    assert small.enqueue_job("3.1", thread="3.0") == ("accepted", 1, 2)
    assert small.runnable_jobs() == ["2.1"]
    small.delete_job("2.1")
    small.delete_job("3.1")
    assert small.enqueue_job("4.1", thread="4.0") == ("accepted", 0, 1)
    assert small.runnable_jobs() == ["4.1"]


def test_deleted_jobs_do_not_fill_the_backlog(places: QueueScripts) -> None:
    """A backlog of jobs that no longer exist is no backlog."""
    small = replace(places, max_pending=3)
    for n in range(3):
        small.enqueue_job(f"{n}.1", thread=f"{n}.0", user=f"U{n}")
        small.delete_job(f"{n}.1")

    assert small.enqueue_job("7.1", thread="7.0", user="U7") == ("accepted", 0, 1)


def test_a_deleted_follower_is_passed_over(places: QueueScripts) -> None:
    """When a turn ends, the next one that exists follows, also past those that do not."""
    for n in range(1, 5):
        places.enqueue_job(f"1.{n}", user=f"U{n}")
    places.enqueue_job("2.1", thread="2.0", user="U5")
    places.delete_job("1.2")
    places.delete_job("1.3")
    places.end_job("1.1")

    assert places.runnable_jobs() == ["1.1", "2.1", "1.4"]


def test_a_follower_need_not_wait_for_its_person_s_deleted_job(places: QueueScripts) -> None:
    """Whose next turn it is in a thread has a free slot, if what held the slot is gone."""
    one = replace(places, max_running_per_user=1)
    one.enqueue_job("1.1")
    one.enqueue_job("2.1", thread="2.0", user="U2")
    one.enqueue_job("1.2", user="U2")
    one.delete_job("2.1")
    one.end_job("1.1")

    assert one.runnable_jobs() == ["1.1", "1.2"]


def test_a_deleted_job_that_waits_for_a_slot_is_passed_over(places: QueueScripts) -> None:
    """A freed slot goes to the next that exists; none is made up of nothing."""
    one = replace(places, max_running_per_user=1)
    for n in range(1, 4):
        one.enqueue_job(f"{n}.1", thread=f"{n}.0")
    one.delete_job("2.1")
    one.end_job("1.1")

    assert one.runnable_jobs() == ["1.1", "3.1"]
    assert one.job_status("2.1") is None


def test_a_process_that_died_between_ending_and_finishing_blocks_nobody(
    places: QueueScripts,
) -> None:
    """A job that is recorded as over, but was never let go, is cleared away by the next turn."""
    places.enqueue_job("1.1")
    places.enqueue_job("1.2")
    job = JOB_PREFIX + job_id(TEAM, CHANNEL, "1.1")
    places.redis.hset(job, "status", "canceled")

    assert places.enqueue_job("1.3").outcome == "accepted"
    assert places.runnable_jobs() == ["1.1", "1.2"]
    assert places.pending_jobs() == ["1.2", "1.3"]
    assert places.release_job("1.1") == 0


def test_a_hash_that_is_none_is_no_job(places: QueueScripts) -> None:
    """Whatever stands under a job's name, taking turns in goes on."""
    places.enqueue_job("1.1")
    places.redis.delete(JOB_PREFIX + "T1-C1-1-1")
    places.redis.set(JOB_PREFIX + "T1-C1-1-1", "nonsense")

    assert places.enqueue_job("1.2") == ("accepted", 0, 1)


def test_a_lane_goes_on_past_a_job_that_is_not_ours(places: QueueScripts) -> None:
    """A job that somebody put together by hand, without our fields, holds no thread up."""
    places.enqueue_job("1.1")
    places.redis.rpush(keys.thread_queue(TEAM, CHANNEL, "1.0"), "T1-C1-9-9")
    places.redis.hset(JOB_PREFIX + "T1-C1-9-9", "status", "deferred")
    places.enqueue_job("1.2")

    assert places.end_job("1.1") == 1
    assert places.runnable_jobs() == ["1.1", "1.2"]
    assert places.release_job("9.9") == 0


def test_what_was_acknowledged_survives_the_server(
    server: RedisServer, places: QueueScripts
) -> None:
    """Killed right after an answer, Redis comes back with every place, and goes on from there."""
    for n in range(30):
        places.enqueue_job(f"{n}.1", thread=f"{n % 4}.0", user=f"U{n % 3}", client_msg_id=f"g{n}")
    before = (
        places.runnable_jobs(),
        places.pending_jobs(),
        places.deferred_jobs(),
        places.quota_keys(),
    )
    server.kill_server()
    server.restart_server()

    with Redis.from_url(server.url) as client:
        again = QueueScripts(client)
        assert (
            again.runnable_jobs(),
            again.pending_jobs(),
            again.deferred_jobs(),
            again.quota_keys(),
        ) == before
        assert again.enqueue_job("3.1", thread="3.0").outcome == "duplicate"
        assert again.enqueue_job("x", client_msg_id="g3").outcome == "duplicate"
        again.run_all_jobs()
        assert again.quota_keys() == set()


def test_a_thread_goes_on_without_a_job_that_was_deleted(places: QueueScripts) -> None:
    """Nobody has to ask again: the worker's own look frees the lane, and only once."""
    for ts in ("1.1", "1.2", "1.3"):
        places.enqueue_job(ts)
    places.delete_job("1.1")
    assert places.runnable_jobs() == []

    assert places.repair_orphans() == 1
    assert (places.runnable_jobs(), places.pending_jobs()) == (["1.2"], ["1.2", "1.3"])
    assert places.repair_orphans() == 0
    places.run_all_jobs()
    assert places.quota_keys() == set()


def test_a_share_that_a_deleted_job_holds_is_given_to_the_next(places: QueueScripts) -> None:
    """A person's other thread waits for a slot that nobody uses any more."""
    places = replace(places, max_running_per_user=1)
    places.enqueue_job("1.1")
    places.enqueue_job("2.1", thread="2.0")
    places.delete_job("1.1")

    assert places.repair_orphans() == 1
    assert places.runnable_jobs() == ["2.1"]


def test_healing_looks_at_few_jobs_and_touches_none_that_waits_rightly(
    places: QueueScripts,
) -> None:
    """It is cheap in a long line, and what cannot be read only leaves the list of the waiting."""
    for number in range(1, 6):
        places.enqueue_job(f"1.{number}")
    before = (places.runnable_jobs(), places.pending_jobs(), places.deferred_jobs())
    assert places.repair_orphans(max_jobs=2) == 0
    assert (places.runnable_jobs(), places.pending_jobs(), places.deferred_jobs()) == before
    places.redis.zadd("rq:deferred:starchat", {"T1-C1-9-9": 1, "T1-C1-8-8": 2})
    places.redis.set(JOB_PREFIX + "T1-C1-8-8", "no hash")

    assert places.repair_orphans() == 0
    assert places.deferred_jobs() == before[2]
