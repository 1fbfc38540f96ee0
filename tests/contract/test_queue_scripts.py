"""A turn's place: taken once, in its thread's order, within its person's share, let go once."""

from dataclasses import replace

from redis import Redis

from contract import keys
from contract.job import job_id
from testing.redis_server import RedisServer
from tests.contract.queue_scripts import CHANNEL, INDEX, JOB, LIST, TEAM, Places


def test_an_accepted_turn_is_rq_s_to_run(places: Places) -> None:
    """The job is saved, on RQ's list, known in RQ's index, and it has its place."""
    assert places.accept("1.1") == ("accepted", 0, 1)

    assert places.runnable() == ["1.1"]
    assert places.status("1.1") == "queued"
    assert places.redis.hget(JOB + "T1-C1-1-1", "data") == b"of 1.1"
    assert places.redis.smembers(INDEX) == {LIST.encode()}
    assert places.deferred() == set()


def test_a_repeated_event_is_taken_in_once(places: Places) -> None:
    """Slack may deliver a message again: it keeps its place, and nothing runs twice."""
    places.accept("1.1")
    places.accept("2.1", thread="2.0")

    assert places.accept("2.1", thread="2.0") == ("duplicate", 1, 2)
    assert places.runnable() == ["1.1", "2.1"]


def test_the_same_gesture_is_taken_in_once(places: Places) -> None:
    """A client may send one gesture of a person as two messages: the second is the first."""
    assert places.accept("1.1", gesture="g").outcome == "accepted"

    assert places.accept("1.2", gesture="g") == ("duplicate", 0, 1)
    assert places.accept("1.3", gesture="h").outcome == "accepted"
    assert places.accept("1.1") == ("duplicate", 0, 2)


def test_a_finished_turn_is_still_remembered(places: Places) -> None:
    """A late redelivery of an answered message starts nothing."""
    places.accept("1.1", gesture="g")
    places.end("1.1")

    assert places.accept("1.1") == ("duplicate", 0, 0)
    assert places.accept("1.2", gesture="g").outcome == "duplicate"
    assert places.runnable() == ["1.1"]


def test_a_marked_message_that_became_no_job_is_a_duplicate(places: Places) -> None:
    """The marker may hold what is no job, where the bot answered by itself."""
    places.redis.set(keys.seen(TEAM, CHANNEL, "1.1"), "notice")

    assert places.accept("1.1") == ("duplicate", 0, 0)


def test_a_thread_is_answered_in_its_order(places: Places) -> None:
    """Of one thread only the first unfinished turn may run; the next follows when it ends."""
    for ts in ("1.1", "1.2", "1.3"):
        places.accept(ts, user=f"U{ts[-1]}")
    assert places.runnable() == ["1.1"]
    assert places.deferred() == {"1.2", "1.3"}

    for ts, following in (("1.1", "1.2"), ("1.2", "1.3")):
        assert places.take() == ts
        assert places.end(ts) == 1
        assert places.runnable() == [following]
        assert places.status(following) == "queued"
    assert places.deferred() == set()


def test_a_person_has_so_many_slots(places: Places) -> None:
    """One person's turns in many threads run two at a time, the oldest first; others go ahead."""
    for n in range(1, 5):
        places.accept(f"{n}.1", thread=f"{n}.0")
    places.accept("9.1", thread="9.0", user="U2")

    assert places.runnable() == ["1.1", "2.1", "9.1"]
    places.end("2.1")
    assert places.runnable()[-1] == "3.1"
    places.end("1.1")
    assert places.runnable()[-1] == "4.1"


def test_a_slot_and_a_lane_may_come_free_together(places: Places) -> None:
    """Who waits for the slot goes before the next of the same thread, and none is lost."""
    one = replace(places, slots=1)
    one.accept("1.1")
    one.accept("2.1", thread="2.0")
    one.accept("1.2")

    one.end("1.1")
    assert one.runnable() == ["1.1", "2.1"]
    one.end("2.1")
    assert one.runnable() == ["1.1", "2.1", "1.2"]
    one.end("1.2")
    assert one.held() == set()


def test_a_full_backlog_refuses_and_marks_nothing(places: Places) -> None:
    """When too many are pending a turn is refused, and may be sent again later."""
    small = replace(places, most=2)
    small.accept("1.1")
    small.accept("2.1", thread="2.0", user="U2")

    assert small.accept("3.1", thread="3.0", user="U3") == ("full", 2, 2)
    small.end("1.1")
    assert small.accept("3.1", thread="3.0", user="U3") == ("accepted", 1, 2)


def test_a_person_s_share_refuses_and_marks_nothing(places: Places) -> None:
    """One person cannot fill the backlog; others are still taken in."""
    small = replace(places, per_person=2)
    small.accept("1.1")
    small.accept("1.2")

    assert small.accept("1.3") == ("person_full", 2, 2)
    assert small.accept("1.4", user="U2").outcome == "accepted"
    small.end("1.1")
    assert small.accept("1.3").outcome == "accepted"


def test_a_redelivered_turn_is_a_duplicate_even_when_full(places: Places) -> None:
    """Who is in is not told that there is no room."""
    small = replace(places, most=1)
    small.accept("1.1")

    assert small.accept("1.1") == ("duplicate", 0, 1)


def test_finishing_twice_is_finishing_once(places: Places) -> None:
    """A worker that died before it could record the end finishes again, and nothing moves."""
    for ts in ("1.1", "1.2", "1.3"):
        places.accept(ts)

    assert places.finish("1.1") == 1
    assert places.finish("1.1") == 0
    assert places.runnable() == ["1.1", "1.2"]
    assert places.deferred() == {"1.3"}
    assert places.finish("7.7") == 0


def test_a_turn_taken_back_while_it_waits_holds_nobody_up(places: Places) -> None:
    """A deferred turn, or one waiting for a slot, may end before it ran."""
    one = replace(places, slots=1)
    one.accept("1.1")
    one.accept("1.2")
    one.accept("2.1", thread="2.0")
    one.accept("2.2", thread="2.0", user="U2")

    one.end("1.2", "canceled")
    assert one.runnable() == ["1.1"]
    one.end("2.1", "canceled")
    assert one.runnable() == ["1.1", "2.2"]
    one.end("1.1")
    one.end("2.2")
    assert one.held() == set()


def test_a_turn_that_ended_while_it_waited_never_starts(places: Places) -> None:
    """A slot that comes free later goes to nobody who was let go meanwhile."""
    one = replace(places, slots=1)
    one.accept("1.1")
    one.accept("2.1", thread="2.0")
    one.finish("2.1")
    one.end("1.1")

    assert one.runnable() == ["1.1"]
    assert one.held() == set()


def test_nothing_is_left_of_finished_turns(places: Places) -> None:
    """When all is answered, no place is held; only the markers and RQ's jobs remain."""
    for n in range(6):
        places.accept(f"{n}.1", thread=f"{n % 2}.0", user=f"U{n % 3}", gesture=f"g{n}")
    places.answer_all()

    assert places.held() == set()
    assert places.deferred() == set()
    assert places.pending() == []


def test_everything_of_ours_ends_by_itself(places: Places) -> None:
    """Each key has a lifetime, but for the list of pending jobs, which has a bound."""
    one = replace(places, slots=1)
    one.accept("1.1", gesture="g")
    one.accept("2.1", thread="2.0")
    one.accept("1.2")
    lives = {key: one.redis.ttl(key) for key in one.ours()}
    assert lives.pop(keys.PENDING) == -1

    assert len(lives) == 9
    assert all(keys.MARKER_TTL - 60 <= seconds <= keys.PLACE_TTL for seconds in lives.values())
    assert min(lives[keys.lane(TEAM, CHANNEL, ts)] for ts in ("1.0", "2.0")) > 6 * 24 * keys.HOUR


def test_a_deleted_job_does_not_block_its_thread(places: Places) -> None:
    """Whoever deletes a job by RQ's tools leaves its place; the next turn clears it away."""
    places.accept("1.1")
    places.accept("1.2")
    places.delete("1.1")

    assert places.accept("1.3") == ("accepted", 1, 2)
    assert places.runnable() == ["1.2"]
    places.end("1.2")
    assert places.runnable() == ["1.2", "1.3"]


def test_deleted_jobs_do_not_use_up_a_person_s_slots(places: Places) -> None:
    """Emptying RQ's queue frees the slots and shares of those who were in it."""
    small = replace(places, slots=1, per_person=2)
    small.accept("1.1")
    small.accept("2.1", thread="2.0")
    small.delete("1.1")

    assert small.accept("3.1", thread="3.0") == ("accepted", 1, 2)
    assert small.runnable() == ["2.1"]
    small.delete("2.1")
    small.delete("3.1")
    assert small.accept("4.1", thread="4.0") == ("accepted", 0, 1)
    assert small.runnable() == ["4.1"]


def test_deleted_jobs_do_not_fill_the_backlog(places: Places) -> None:
    """A backlog of jobs that no longer exist is no backlog."""
    small = replace(places, most=3)
    for n in range(3):
        small.accept(f"{n}.1", thread=f"{n}.0", user=f"U{n}")
        small.delete(f"{n}.1")

    assert small.accept("7.1", thread="7.0", user="U7") == ("accepted", 0, 1)


def test_a_deleted_follower_is_passed_over(places: Places) -> None:
    """When a turn ends, the next one that exists follows, also past those that do not."""
    for n in range(1, 5):
        places.accept(f"1.{n}", user=f"U{n}")
    places.accept("2.1", thread="2.0", user="U5")
    places.delete("1.2")
    places.delete("1.3")
    places.end("1.1")

    assert places.runnable() == ["1.1", "2.1", "1.4"]


def test_a_follower_need_not_wait_for_its_person_s_deleted_job(places: Places) -> None:
    """Whose next turn it is in a thread has a free slot, if what held the slot is gone."""
    one = replace(places, slots=1)
    one.accept("1.1")
    one.accept("2.1", thread="2.0", user="U2")
    one.accept("1.2", user="U2")
    one.delete("2.1")
    one.end("1.1")

    assert one.runnable() == ["1.1", "1.2"]


def test_a_deleted_job_that_waits_for_a_slot_is_passed_over(places: Places) -> None:
    """A freed slot goes to the next that exists; none is made up of nothing."""
    one = replace(places, slots=1)
    for n in range(1, 4):
        one.accept(f"{n}.1", thread=f"{n}.0")
    one.delete("2.1")
    one.end("1.1")

    assert one.runnable() == ["1.1", "3.1"]
    assert one.status("2.1") is None


def test_a_process_that_died_between_ending_and_finishing_blocks_nobody(places: Places) -> None:
    """A job that is recorded as over, but was never let go, is cleared away by the next turn."""
    places.accept("1.1")
    places.accept("1.2")
    job = JOB + job_id(TEAM, CHANNEL, "1.1")
    places.redis.hset(job, "status", "canceled")

    assert places.accept("1.3").outcome == "accepted"
    assert places.runnable() == ["1.1", "1.2"]
    assert places.pending() == ["1.2", "1.3"]
    assert places.finish("1.1") == 0


def test_a_hash_that_is_none_is_no_job(places: Places) -> None:
    """Whatever stands under a job's name, taking turns in goes on."""
    places.accept("1.1")
    places.redis.delete(JOB + "T1-C1-1-1")
    places.redis.set(JOB + "T1-C1-1-1", "nonsense")

    assert places.accept("1.2") == ("accepted", 0, 1)


def test_a_lane_goes_on_past_a_job_that_is_not_ours(places: Places) -> None:
    """A job that somebody put together by hand, without our fields, holds no thread up."""
    places.accept("1.1")
    places.redis.rpush(keys.lane(TEAM, CHANNEL, "1.0"), "T1-C1-9-9")
    places.redis.hset(JOB + "T1-C1-9-9", "status", "deferred")
    places.accept("1.2")

    assert places.end("1.1") == 1
    assert places.runnable() == ["1.1", "1.2"]
    assert places.finish("9.9") == 0


def test_what_was_acknowledged_survives_the_server(server: RedisServer, places: Places) -> None:
    """Killed right after an answer, Redis comes back with every place, and goes on from there."""
    for n in range(30):
        places.accept(f"{n}.1", thread=f"{n % 4}.0", user=f"U{n % 3}", gesture=f"g{n}")
    before = (places.runnable(), places.pending(), places.deferred(), places.held())
    server.kill()
    server.restart()

    with Redis.from_url(server.url) as client:
        again = Places(client)
        assert (again.runnable(), again.pending(), again.deferred(), again.held()) == before
        assert again.accept("3.1", thread="3.0").outcome == "duplicate"
        assert again.accept("x", gesture="g3").outcome == "duplicate"
        again.answer_all()
        assert again.held() == set()


def test_a_thread_goes_on_without_a_job_that_was_deleted(places: Places) -> None:
    """Nobody has to ask again: the worker's own look frees the lane, and only once."""
    for ts in ("1.1", "1.2", "1.3"):
        places.accept(ts)
    places.delete("1.1")
    assert places.runnable() == []

    assert places.heal() == 1
    assert (places.runnable(), places.pending()) == (["1.2"], ["1.2", "1.3"])
    assert places.heal() == 0
    places.answer_all()
    assert places.held() == set()


def test_a_share_that_a_deleted_job_holds_is_given_to_the_next(places: Places) -> None:
    """A person's other thread waits for a slot that nobody uses any more."""
    places = replace(places, slots=1)
    places.accept("1.1")
    places.accept("2.1", thread="2.0")
    places.delete("1.1")

    assert places.heal() == 1
    assert places.runnable() == ["2.1"]


def test_healing_looks_at_few_jobs_and_touches_none_that_waits_rightly(places: Places) -> None:
    """It is cheap in a long line, and what cannot be read only leaves the list of the waiting."""
    for number in range(1, 6):
        places.accept(f"1.{number}")
    before = (places.runnable(), places.pending(), places.deferred())
    assert places.heal(most=2) == 0
    assert (places.runnable(), places.pending(), places.deferred()) == before
    places.redis.zadd("rq:deferred:starchat", {"T1-C1-9-9": 1, "T1-C1-8-8": 2})
    places.redis.set(JOB + "T1-C1-8-8", "no hash")

    assert places.heal() == 0
    assert places.deferred() == before[2]
