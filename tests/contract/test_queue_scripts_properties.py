"""Whatever turns come, end, are taken back or vanish: the rules of places hold at every moment."""

from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from tests.contract.queue_scripts import QueueScripts

THREADS = ("1.0", "2.0", "3.0")
USERS = ("U1", "U2")


@dataclass
class TrackedTurn:
    """What we know of an accepted, unfinished turn."""

    thread: str
    user: str
    running: bool = False


class QueueTraffic(RuleBasedStateMachine):
    """People ask, workers answer, turns are taken back, an operator deletes jobs."""

    turns: Bundle[str] = Bundle("turns")

    places: ClassVar[QueueScripts]

    def __init__(self) -> None:
        super().__init__()
        self.places.redis.flushall()
        self.unfinished: dict[str, TrackedTurn] = {}
        self.question_count = 0

    @rule(target=turns, thread=st.sampled_from(THREADS), user=st.sampled_from(USERS))
    def ask_question(self, thread: str, user: str) -> Any:
        """A person asks; within the limits the turn is taken in."""
        self.question_count += 1
        ts = f"{self.question_count}.1"
        own = sum(turn.user == user for turn in self.unfinished.values())
        receipt = self.places.enqueue_job(ts, thread=thread, user=user)
        if own >= self.places.max_pending_per_user:
            assert receipt.outcome == "user_quota_exceeded"
            return multiple()
        assert receipt == ("accepted", len(self.unfinished), len(self.unfinished) + 1)
        self.unfinished[ts] = TrackedTurn(thread, user)
        return ts

    @rule(ts=turns)
    def redeliver_event(self, ts: str) -> None:
        """Slack delivers a message again, whatever became of it."""
        before = self.places.runnable_jobs()

        assert self.places.enqueue_job(ts).outcome == "duplicate"
        assert self.places.runnable_jobs() == before

    @precondition(lambda self: any(turn.running for turn in self.unfinished.values()))
    @rule(choice=st.randoms(use_true_random=False))
    def finish_job(self, choice: Any) -> None:
        """A worker has finished one of those that it runs."""
        ts = choice.choice([ts for ts, turn in self.unfinished.items() if turn.running])

        assert self.places.end_job(ts) == 1
        del self.unfinished[ts]

    @rule()
    def take_job(self) -> None:
        """A worker takes the next one off the list."""
        ts = self.places.start_next()
        if ts is not None:
            self.unfinished[ts].running = True

    @rule(ts=turns)
    def withdraw_question(self, ts: str) -> None:
        """A person deletes a question that nobody has begun."""
        if ts in self.unfinished and not self.unfinished[ts].running:
            self.places.withdraw_job(ts)
            assert self.places.end_job(ts, "canceled") == 1
            del self.unfinished[ts]

    @invariant()
    def thread_runs_one_turn(self) -> None:
        """Only a thread's oldest turn runs or may run."""
        may_run = set(self.places.runnable_jobs()) | {
            ts for ts, t in self.unfinished.items() if t.running
        }
        for thread in THREADS:
            own = [ts for ts, turn in self.unfinished.items() if turn.thread == thread]
            assert not may_run & set(own[1:])

    @invariant()
    def user_quota_holds(self) -> None:
        """Nobody has more jobs running or runnable than slots, and no slot stays empty."""
        queued = self.places.runnable_jobs()
        assert len(queued) == len(set(queued))
        for user in USERS:
            own = [ts for ts, turn in self.unfinished.items() if turn.user == user]
            going = [ts for ts in own if ts in queued or self.unfinished[ts].running]
            heads = [ts for ts in own if self._queue_head(self.unfinished[ts].thread) == ts]
            assert len(going) == min(self.places.max_running_per_user, len(heads))

    @invariant()
    def unfinished_turns_are_pending(self) -> None:
        """Each unfinished turn is pending, and either runs, may run, or is shown as waiting."""
        assert self.places.pending_jobs() == list(self.unfinished)
        queued = set(self.places.runnable_jobs())
        running = {ts for ts, turn in self.unfinished.items() if turn.running}
        assert queued | running | self.places.deferred_jobs() == set(self.unfinished)
        assert self.places.job_statuses(self.unfinished) == [
            "queued" if ts in queued else "started" if ts in running else "deferred"
            for ts in self.unfinished
        ]

    def teardown(self) -> None:
        """Workers answer all that is left, and then nobody holds a place."""
        for ts in [ts for ts, turn in self.unfinished.items() if turn.running]:
            self.places.end_job(ts)
        self.places.run_all_jobs()
        assert self.places.quota_keys() == set()
        assert self.places.deferred_jobs() == set()

    def _queue_head(self, thread: str) -> str:
        return next(ts for ts, turn in self.unfinished.items() if turn.thread == thread)


class JobDeletions(RuleBasedStateMachine):
    """People ask and workers answer, while an operator deletes jobs by RQ's own tools."""

    places: ClassVar[QueueScripts]

    def __init__(self) -> None:
        super().__init__()
        self.places.redis.flushall()
        self.question_count = 0

    @rule(thread=st.sampled_from(THREADS), user=st.sampled_from(USERS))
    def ask_question(self, thread: str, user: str) -> None:
        """A person asks."""
        self.question_count += 1
        self.places.enqueue_job(f"{self.question_count}.1", thread=thread, user=user)

    @rule()
    def finish_job(self) -> None:
        """A worker takes the next job and answers it."""
        ts = self.places.start_next()
        if ts is not None:
            self.places.end_job(ts)

    @rule(choice=st.randoms(use_true_random=False))
    def delete_job(self, choice: Any) -> None:
        """An operator deletes any job that is pending."""
        pending = self.places.pending_jobs()
        if pending:
            self.places.delete_job(choice.choice(pending))

    def teardown(self) -> None:
        """A worker's look frees all that waits; a further turn of each clears the rest away."""
        self.places.run_all_jobs()
        self.places.repair_orphans()
        self.places.run_all_jobs()
        assert self.places.deferred_jobs() == set()
        for user in USERS:
            for thread in THREADS:
                self.ask_question(thread, user)
        self.places.run_all_jobs()
        assert set(self.places.job_statuses(self.places.pending_jobs())) <= {None}
        assert self.places.deferred_jobs() == set()
        assert self.places.job_statuses([f"{self.question_count}.1"]) == ["finished"]


STATE_MACHINE_SETTINGS = settings(
    max_examples=30,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_the_rules_of_places_hold_at_every_moment(redis: Redis) -> None:
    """Order of threads, shares of people, nothing twice, nothing lost, nothing left behind."""

    class Here(QueueTraffic):
        places = QueueScripts(redis, max_pending_per_user=6, max_running_per_user=2)

    run_state_machine_as_test(Here, settings=STATE_MACHINE_SETTINGS)


def test_deleted_jobs_never_hold_anybody_up_for_good(redis: Redis) -> None:
    """Whatever an operator deletes, each thread's and each person's next turn is answered."""

    class Here(JobDeletions):
        places = QueueScripts(redis, max_running_per_user=1)

    run_state_machine_as_test(Here, settings=STATE_MACHINE_SETTINGS)
